"""Let root read a store without changing the ctime of its files.

As root, SQLite gives each WAL and index that it opens to the owner of the database, even if they belong to that owner
already and SQLite only reads (``robustFchown`` in os_unix.c). That changes their ctime. SQLite lets a program replace
its system calls (sqlite3_vfs.xSetSystemCall). This module replaces ``fchown`` by a function that does nothing if the
owner stays the same.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from functools import cache
from typing import Final

from checkpoint_store.system.log import log

_NAME: Final = b"fchown"
_FCHOWN: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32)
_SET: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_FIRST_VERSION: Final = 3
"""The version of ``sqlite3_vfs`` that has the methods for system calls."""


class _Vfs(ctypes.Structure):
    """The part of ``sqlite3_vfs`` that is used here (sqlite.org/c3ref/vfs.html)."""

    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        ("methods", ctypes.c_void_p * 13),
        ("xSetSystemCall", ctypes.c_void_p),
    )


def _fchown_if_different(file: int, user: int, group: int) -> int:
    try:
        status = os.fstat(file)
        if (status.st_uid, status.st_gid) != (user, group):
            os.fchown(file, user, group)
    except OSError:
        return -1  # SQLite ignores what fchown returns
    return 0


_callback: Final = _FCHOWN(_fchown_if_different)
"""SQLite calls this object until the process ends."""


@cache
def leave_owners_alone() -> None:
    """Let SQLite, in this process, call ``fchown`` only if the owner changes. Call this in a process of root only."""
    try:
        find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
        find.argtypes, find.restype = [ctypes.c_char_p], ctypes.POINTER(_Vfs)
        vfs = find(None)
        if not vfs or vfs.contents.iVersion < _FIRST_VERSION or not vfs.contents.xSetSystemCall:
            log.debug("system calls of this SQLite cannot be replaced: reading as root changes the ctime of the WAL")
            return
        set_call = _SET(vfs.contents.xSetSystemCall)
        set_call(ctypes.addressof(vfs.contents), _NAME, ctypes.cast(_callback, ctypes.c_void_p))
    except (AttributeError, OSError) as error:
        log.debug(
            "the SQLite library of this Python was not found: reading as root changes the ctime of the WAL: %s", error
        )
