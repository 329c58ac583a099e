"""The URI, the pragmas and the limits of a connection. Only this module opens a store file."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_from_bytes

from checkpoint_store.storage.files.identity import refuse_emptied
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.system.paths import file_system

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.model.store_file import Durability


REASON: Final = "reading it does not end, as its pages lead in circles"
_STEPS_PER_BYTE: Final = 50
_STEPS_MIN: Final = 1_000_000
"""The least limit: some hundredths of a second."""
_STEPS_PER_LOOK: Final = 100_000
"""Steps of SQLite's virtual machine between two looks: some milliseconds."""


def limit_steps(connection: sqlite3.Connection, path: Path) -> None:
    """Let the statements of a connection to ``path`` end in SQLITE_INTERRUPT once they took too many steps together."""
    size_bytes = 0
    for file in (path, StoreFiles(path).wal):
        with suppress(OSError):
            size_bytes += file.stat().st_size
    looks_left = iter(range((_STEPS_MIN + _STEPS_PER_BYTE * size_bytes) // _STEPS_PER_LOOK))
    connection.set_progress_handler(lambda: next(looks_left, None) is None, _STEPS_PER_LOOK)


TRUSTED_SCHEMA: Final = f"trusted_schema = {'ON' if sqlite3.sqlite_version_info < (3, 41) else 'OFF'}"
"""SQLite before 3.41 calls JSON functions unsafe: no statement would run beside a user's index of ``json_extract``."""
PAGE_BYTES: Final = 1024
"""A result takes the pages that it needs, and a commit writes little beside it.

With 8 KiB pages a result of 4 KB has a page of its own (2.1 bytes on disk for each byte), and a commit writes 26 KB.
"""
READ_CACHE_KIBIBYTES: Final = 256
"""The page cache of a connection that reads. It fits into the cache of a processor, unlike SQLite's 2 MB.

A long read needs each page of results once: with 2 MB, SQLite fills memory that the processor no longer has in its
cache, and takes a tenth longer.
"""
WAL_BYTES_MAX: Final = 16 * 1024 * 1024
"""A WAL that grew during a long read is cut back to this size."""
TRIGGER_DEPTH_MAX: Final = 1
"""A trigger may run, and a cascade may. A trigger inside a trigger may not.

A completion runs a trigger of the library. If a trigger in the file would run inside that, SQLite refuses the whole
completion, so no trigger in the file can undo a step of it.
"""
_NETWORK: Final = frozenset(
    "nfs nfs4 cifs smb3 smbfs 9p virtiofs vboxsf prl_fs vmhgfs fuse afs coda ceph glusterfs lustre gpfs beegfs pvfs2 "
    "ocfs2 gfs2".split()
)
"""The file systems that another machine, such as the host of a virtual machine, also writes, without shared memory.

Several machines mount the disk of an OCFS2 or a GFS2; ``pvfs2`` is the name of OrangeFS in the kernel.
"""


def connect(path: Path, *, durability: Durability, alone: bool = False) -> sqlite3.Connection:
    """Open an existing store file for reading and writing, without beginning a transaction by itself.

    ``alone``: from the first statement of this connection to its end, no other connection of any program has the file
    open. If another connection has it open now, this raises SQLITE_BUSY at once. (With a rollback journal, an idle
    connection is not noticed, and others are kept out from the first write on.)
    """
    connection = _open(path, "mode=rw")
    try:
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # has an effect only while the file is empty
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        wanted = journal_mode_for(path)
        if mode != wanted:
            (mode,) = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()
        for pragma in _pragmas(mode, durability):
            connection.execute(f"PRAGMA {pragma}").fetchone()
        connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, TRIGGER_DEPTH_MAX)
    except BaseException:
        connection.close()
        raise
    return connection


def _pragmas(mode: str, durability: Durability) -> list[str]:
    # FULL syncs the WAL at each commit. Without a WAL, only EXTRA also syncs the removal of the journal.
    lasting = "FULL" if mode == "wal" else "EXTRA"
    synchronous = lasting if durability == "power-loss" else "NORMAL"
    pragmas = [
        f"synchronous = {synchronous}",
        # SQLite before 3.51.3 can corrupt the file when a checkpoint runs beside a commit of another connection
        # (sqlite.org/wal.html#walresetbug). Our checkpoints run while no one can commit; see checkpoint.py.
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {WAL_BYTES_MAX}",
        "mmap_size = 0",
        "foreign_keys = ON",
        "secure_delete = ON",
        TRUSTED_SCHEMA,
        "cell_size_check = ON",
        "temp_store = MEMORY",  # no result in a temporary file
    ]
    if sys.platform == "darwin":
        pragmas += ["fullfsync = ON", "checkpoint_fullfsync = ON"]
    return pragmas


def keep_few_pages(connection: sqlite3.Connection) -> None:
    """Let a connection that reads keep at most :data:`READ_CACHE_KIBIBYTES` of pages. This reads the schema."""
    connection.execute(f"PRAGMA cache_size = -{READ_CACHE_KIBIBYTES}")


class UsedBy(Enum):
    """Who has a file open that is to be read; the value is what a connection that reads the file asks of SQLite."""

    NOBODY = "immutable=1"
    """The file is read without any lock. The reader must check afterwards that nobody opened the file meanwhile."""
    OTHERS = "readonly_shm=1"
    """Another process may have the file open. The index of the WAL is not written."""
    THIS_PROCESS = "readonly_shm=0"
    """This process has the file open for writing. All connections of a process share the index of the WAL, and a fork
    closes them: if a connection that reads were the first that opens the index, and for reading, none could write.
    """


def connect_read_only(path: Path, *, used_by: UsedBy) -> sqlite3.Connection:
    """Open a store file such that neither it nor anything beside it is created or changed.

    Reading is bounded by the size of the file; see :func:`limit_steps`.
    """
    connection = _open(path, f"mode=ro&{used_by.value}")
    try:
        for pragma in ("query_only = ON", TRUSTED_SCHEMA, "cell_size_check = ON", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        limit_steps(connection, path)
        keep_few_pages(connection)  # reads the schema
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path, options: str) -> sqlite3.Connection:
    refuse_emptied(path)  # at each opening: another program may empty a file that this process has open
    # Path.as_uri() imports a module when it is called, which fails while the interpreter ends.
    uri = f"file://{quote_from_bytes(os.fsencode(path.absolute()))}"
    return sqlite3.connect(
        f"{uri}?{options}",
        uri=True,
        timeout=0.0,  # SQLite's own waits starve some processes; see busy.py
        isolation_level=None,  # the library begins and ends transactions itself
        check_same_thread=False,
        cached_statements=128,
    )


def journal_mode_for(path: Path) -> str:
    """Return the journal mode for a store at ``path``: WAL, or a rollback journal on network file systems."""
    return "truncate" if file_system(path) in _NETWORK else "wal"
