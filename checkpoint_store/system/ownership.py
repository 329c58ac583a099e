"""A file that root makes beside another user's file gets that user as its owner: otherwise the user is locked out.

SQLite does the same with its WAL and its journal. If the process is not root, nothing happens.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from pathlib import Path


def match_owner(made: int | Path, like: Path | None) -> None:
    """Give a new file the owner of the file ``like``, if that file exists and the process is root.

    Args:
        made: the new file, as its descriptor or its path. A symlink is not followed.
        like: the file whose owner becomes the owner of the new file. None: the owner stays.
    """
    if like is None or os.name == "nt" or os.geteuid() != 0:
        return
    try:
        wanted = os.stat(like)
    except OSError:
        return  # without that file, the new file is root's
    try:
        here = os.fstat(made) if isinstance(made, int) else os.lstat(made)
        if (here.st_uid, here.st_gid) == (wanted.st_uid, wanted.st_gid):
            return
        if isinstance(made, int):
            os.fchown(made, wanted.st_uid, wanted.st_gid)
        else:
            os.lchown(made, wanted.st_uid, wanted.st_gid)
    except FileNotFoundError:  # the file was removed meanwhile
        return
    except OSError as error:
        log.warning("a file beside %s stays root's: %s", like, error)
