"""The limits of this process on files."""

from __future__ import annotations

try:
    import resource  # not late: once the descriptors have run out, Python cannot read a module
except ImportError:  # Windows
    _has_limits = False
else:
    _has_limits = True


def descriptors_max() -> int | None:
    """Return how many file descriptors this process may have; None if that is unknown."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] if _has_limits else None


def file_bytes_max() -> int | None:
    """Return how large a file may become that this process writes; None if no limit is set."""
    if not _has_limits:
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
