"""The check of a store file and of its siblings, before a process opens any of them.

Each has to be a regular file with one name, and ours. Otherwise whoever may write in the folder could let an open hang
(by a pipe), or let us read, change or give away a file of another user. A file of ours gets mode 0600.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreTargetError
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.system.files import GUARDS, PRIVATE, match_owner, open_new, temporary_path
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import file_system, is_on_read_only_system, status_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_KINDS: Final = (
    (stat.S_ISLNK, "a symlink"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


_MAY_KEEP_NO_OWNERS: Final = frozenset(
    "vfat msdos exfat ntfs ntfs3 hfsplus nfs nfs4 cifs smb3 smbfs 9p virtiofs fuse fuseblk drvfs".split()
)
_LOOKS: Final = 10
_LOOK_SECONDS: Final = 0.02


def refuse_planted(store: Path) -> None:
    """Raise :class:`StoreTargetError` if a planted file has the name of a sibling of the store.

    Touches nothing. For the state file, see :func:`passed_over`.
    """
    for path in Siblings(store).opened():
        status = status_of(path, follow_symlinks=False)
        if status is None:
            continue
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(store, path, f"is {kind_of(status.st_mode)}")
        if status.st_nlink > 1:
            raise _refusal(store, path, f"has {status.st_nlink} names (hard links)")


def refuse_foreign(store: Path) -> None:
    """Raise :class:`StoreTargetError` if the store file, or a sibling, belongs to another user. Touches nothing.

    Root may work on any store. The siblings then belong to the owner of the store file, or to root.
    """
    foreign = _foreign(store)
    for _ in range(_LOOKS):
        if foreign is None or foreign[1] != 0:
            break
        time.sleep(_LOOK_SECONDS)  # root may have made it just now, and give it away the next moment
        foreign = _foreign(store)
    if foreign is None or not _keeps_owners(store):
        return
    path, user_id = foreign
    what = f"belongs to another user (uid {user_id})"
    if path == store:
        remedy = "work on it as that user, or on a copy that the user makes"
        raise StoreTargetError(store, f"it {what}, so there is no permission to work on it; {remedy}")
    raise _refusal(store, path, what)


def refuse_unreadable(store: Path) -> None:
    """Raise :class:`StoreTargetError` if this process may not read the store file, and say whose file it is."""
    if os.access(store, os.R_OK):
        return
    whose = _of_another_user(store)
    remedy = "read it as that user, or read a copy that the user makes" if whose else "make it readable (chmod 0600)"
    raise StoreTargetError(store, f"no permission to read this file{whose}; {remedy}")


def why_unwritable(store: Path) -> tuple[str, str]:
    """Return why this process may not read and write the store file, and what helps."""
    if is_on_read_only_system(store):
        return "its file system is read-only", "mount it for writing"
    if whose := _of_another_user(store):  # also for root in a user namespace that lacks the owner
        return f"no permission to read and write this file{whose}", "work on it as that user"
    return "no permission to read and write it", "make it readable and writable (chmod 0600)"


def _of_another_user(store: Path) -> str:
    """Return words that name the owner of the store file; empty if the owner is this user."""
    status = status_of(store, follow_symlinks=False)
    if status is None or status.st_uid == os.geteuid():
        return ""
    return f" of another user (uid {status.st_uid})"


def _keeps_owners(store: Path) -> bool:
    """Whether a new file in the folder of a store belongs to us. Some mounts give every file to one user."""
    if file_system(store) not in _MAY_KEEP_NO_OWNERS:
        return True
    probe = temporary_path(store)
    try:
        file = open_new(probe)
        try:
            return os.fstat(file).st_uid == os.geteuid()
        finally:
            os.close(file)
            os.unlink(probe)
    except OSError:
        return True


def _foreign(store: Path) -> tuple[Path, int] | None:
    """Return the first file of the store that belongs to another user, and that user; None if no file does."""
    ours = _ours(store)
    for path in (store, *Siblings(store).opened()):
        status = status_of(path, follow_symlinks=False)
        if status is not None and status.st_uid not in ours:
            return path, status.st_uid
    return None


def make_private(store: Path, state_files: Iterable[Path] = ()) -> None:
    """Let only the owner read the store and its siblings. Root gives the siblings that it made to the owner.

    Called once the file is known to be a store. A file that cannot be changed stays as it is, and the log says so.
    """
    ours = _ours(store)
    for path in (store, *Siblings(store).opened(), *state_files):
        status = status_of(path, follow_symlinks=False)
        if status is None or not stat.S_ISREG(status.st_mode) or status.st_uid not in ours:
            continue
        if status.st_mode & 0o077 and (status.st_nlink == 1 or os.geteuid() == status.st_uid != 0):
            _make_private(path, status)
        if status.st_uid == 0 and status.st_nlink == 1:
            match_owner(path, store)


def _make_private(path: Path, status: os.stat_result) -> None:
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    try:
        _change_mode(path, status)
        if os.lstat(path).st_mode & 0o077:
            raise PermissionError("the file system keeps no modes")
    except FileNotFoundError:  # it was removed meanwhile
        return
    except OSError as error:
        log.warning("%s is %s, so that others may read it, and cannot be changed: %s", path, mode, error)
    else:
        log.info("%s was %s, so that others could read it: it is 0600 now", path, mode)


def _change_mode(path: Path, status: os.stat_result) -> None:
    if not hasattr(os, "O_PATH"):
        path.chmod(PRIVATE)
        return
    # A descriptor of this kind follows no symlink that took the file's place, and its end drops no lock of SQLite's.
    file = os.open(path, os.O_PATH | GUARDS)
    try:
        if os.path.samestat(os.fstat(file), status):
            os.chmod(f"/proc/self/fd/{file}", PRIVATE)  # fchmod refuses such a descriptor
    finally:
        os.close(file)


def passed_over(state_file: Path, store: Path) -> str | None:
    """Return why an existing, regular state file is not read: it belongs to another user, or it is unreadable.

    None if the state file is read, or does not exist.
    """
    status = status_of(state_file, follow_symlinks=False)
    if status is None:
        return None
    if not os.access(state_file, os.R_OK):
        return "there is no permission to read it"
    if status.st_uid in _ours(store) or not _keeps_owners(store):
        return None
    return f"it belongs to another user (uid {status.st_uid})"


def _ours(store: Path) -> set[int]:
    """Return the users whose files count as ours: the user of this process; for root, also the owner of the store."""
    me = os.geteuid()
    keeper = Siblings(store).keeper() if me == 0 else None
    status = None if keeper is None else status_of(keeper, follow_symlinks=False)
    return {me} if status is None else {me, status.st_uid}


def kind_of(mode: int) -> str:
    """Return what is no regular file: a folder, a pipe, and so on; ``mode`` is its ``st_mode``."""
    return next((name for test, name in _KINDS if test(mode)), "a device")


def _refusal(store: Path, path: Path, what: str) -> StoreTargetError:
    return StoreTargetError(store, f"{path.name} beside it {what}, and the store has a file of that name; remove it")
