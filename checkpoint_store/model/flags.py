"""The arguments that are True or False."""

from __future__ import annotations

from checkpoint_store.errors import InvalidArgumentError


def checked_flag(name: str, value: object) -> bool:
    """Return an argument that is True or False, and refuse others. 0, 1 and the bool of numpy are taken, too.

    Python takes any text for True, ``"no"`` and ``"0"`` of an environment variable included: ``fresh="no"`` would pay
    for every chunk again.
    """
    try:
        if value in (True, False):
            return bool(value)
    except (TypeError, ValueError):  # an array compares by its elements
        pass
    raise InvalidArgumentError(name, value, "is neither True nor False")
