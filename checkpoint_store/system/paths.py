"""Whether a path exists, its absolute form, and the file systems of this machine."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreTargetError
from checkpoint_store.system.files import storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOTHING_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


def status_of(path: str | Path, *, follow_symlinks: bool = True) -> os.stat_result | None:
    """Return the status of a file; None if there is no file, or the file system does not say."""
    with suppress(OSError):
        return os.stat(path, follow_symlinks=follow_symlinks)
    return None


def is_there(path: Path) -> bool:
    """Return whether a file or a folder is at ``path``; an error if the file system does not say (a dead mount)."""
    return status_if_there(path) is not None


def is_folder(path: Path) -> bool:
    """Return whether a folder is at ``path``; an error as of :func:`is_there`."""
    status = status_if_there(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def status_if_there(path: str | Path) -> os.stat_result | None:
    """Return the status of the file or folder at ``path``; None if nothing is there.

    Raises:
        StorageUnavailableError: the file system does not say; see :func:`is_there`.
    """
    try:
        return os.stat(path)
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
        raise storage_error(error, Path(path)) from error


def is_same_file(path: Path, other: Path) -> bool:
    """Return whether two paths lead to one file that is there; an error as of :func:`is_there`."""
    status, other_status = status_if_there(path), status_if_there(other)
    return status is not None and other_status is not None and os.path.samestat(status, other_status)


@contextmanager
def refusing(path: Path, use: str = "as a store") -> Iterator[None]:
    """Raise :class:`StoreTargetError` for a path that the file system says no to. ``use`` is what the path is for."""
    try:
        yield
    except OSError as error:
        raise StoreTargetError(path, error.strerror or str(error), use) from error


def as_listed(path: Path) -> Path:
    """Return a path with the names that its folders list: a file system that ignores case takes other spellings, too.

    The inodes do not tell: some FUSE mounts give each spelling an inode of its own. A lock by one spelling is then none
    by another.
    """
    if path == path.parent:
        return path
    path = as_listed(path.parent) / path.name
    other = "".join(letter.swapcase() if len(letter.swapcase()) == 1 else letter for letter in path.name)  # not ß
    if other != path.name and os.path.lexists(path.parent / other) and os.path.lexists(path):
        with suppress(OSError):
            names = os.listdir(path.parent)
            alike = [name for name in names if name.casefold() == path.name.casefold()]
            if path.name not in names and len(alike) == 1:
                return path.with_name(alike[0])
    return path


def is_on_read_only_system(path: Path) -> bool:
    """Return whether the file system of a file or folder is mounted read-only, so that no permission helps."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def unavailable_reason(path: Path) -> str | None:
    """Return why the file system does not answer about ``path``; None if it answers, even that nothing is there."""
    try:
        os.stat(path)
        os.statvfs(path.parent)  # for a second, a mount whose server died answers os.stat from its cache
    except OSError as error:
        return None if error.errno in _NOTHING_THERE else error.strerror or str(error)
    return None


_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_WITH_PASSING_INODES: Final = frozenset({"cifs", "exfat", "fuse", "msdos", "smb3", "vfat"})
"""File systems that number a file anew once the kernel has forgotten it."""


def file_system(path: Path) -> str:
    """Return the kind of the file system of ``path`` (``ext4``, ``nfs4`` …), or ``""`` if it is unknown."""
    best, kind = "", ""
    with suppress(OSError):
        folder = os.path.realpath(path.parent)
        for mount, its_kind in _mounts():
            inside = folder == mount or folder.startswith(f"{mount.rstrip('/')}/")
            if inside and len(mount) >= len(best):
                best, kind = mount, its_kind
    return "fuse" if kind.startswith("fuse") else kind


def keeps_inodes(path: Path) -> bool:
    """Whether the file at ``path`` has one inode number for as long as it exists, also while no program has it open."""
    return file_system(path) not in _WITH_PASSING_INODES


def is_mount_point(path: Path) -> bool:
    """Whether a file is mounted at this very path (Linux). Its ``st_dev`` is no sign: it differs on overlayfs."""
    with suppress(OSError):
        real_path = os.path.realpath(path)
        return any(mount.removesuffix("//deleted") == real_path for mount, _ in _mounts())
    return False


def _mounts() -> list[tuple[str, str]]:
    """Return each mount point of this machine, and the kind of its file system.

    Space, tab, newline and backslash stand in the table of the kernel as octal numbers.
    """
    return [
        (_ESCAPED.sub(_unescaped, line.split(" ", 5)[4]), line.partition(" - ")[2].split(" ", 1)[0])
        for line in table_lines(_MOUNTS)
    ]


def table_lines(table: Path) -> list[str]:
    """Return the lines of a table of the kernel: a name in it may have any character but the newline.

    ``str.splitlines`` would also cut a name at a carriage return, a form feed, a NEL or a line separator.
    """
    return [line for line in os.fsdecode(table.read_bytes()).split("\n") if line]


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


_UNENCODABLE: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates that stand for no byte of a file name."""
_GONE: Final = (
    "it is a relative path, and the working folder, from which it leads, was removed: change into another folder, or "
    "give an absolute path"
)


def absolute(path: object, use: str = "as a store") -> Path:
    """Return an absolute path, or refuse it (``use``: what it is for). An absolute one needs no working folder."""
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if not name or "\0" in name or _UNENCODABLE.search(name):
        raise StoreTargetError(name, "give the path of a file", use)
    try:
        return Path(name).absolute()
    except FileNotFoundError as error:
        raise StoreTargetError(path, _GONE, use) from error
