"""Private files, beside the store, for results that the store could not record. The next open records them.

A line of such a file is one result as JSON. It names its job, the plan of that job, its chunk and its attempt, and has
the digest that the store would have. So a file that was changed, or belongs to another store, is never taken in.
"""

from __future__ import annotations

import io
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import StateFormatError, StoreTargetError
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.codec.json_rules import read_json
from checkpoint_store.storage.files.names import STAND_IN_FOLDER, UNRECORDED_MARK
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.records.records import Completion
from checkpoint_store.system.file_replacement import replace_file
from checkpoint_store.system.files import GUARDS, open_to_owner, remove_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store.storage.records.records import JobRecord

_FORMAT: Final = "checkpoint_store unrecorded result 1"
_FAILURE_FORMAT: Final = "checkpoint_store unrecorded failure 1"
_FIELDS: Final = tuple(name for name in Completion._fields if name not in ("replace", "in_order"))
_OTHERS_MAY_WRITE: Final = 0o022
_TEMPORARY_VARIABLES: Final = ("TMPDIR", "TEMP", "TMP")
_TEMPORARY_FOLDERS: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - nothing is written there
"""The folders that the module tempfile tries. Asking tempfile would write a file."""
_PRIVATE_FOLDER: Final = "checkpoint-store-unrecorded"
"""The folder of each user in a folder for temporary files: an open lists this folder, and not all temporary files."""


@dataclass(frozen=True, slots=True)
class UnrecordedResult:
    """A result that was paid for and is not in the store."""

    completion: Completion
    plan: str | None
    """The digest of the plan that its job had; None where the job could not be read then."""
    store: str | None = None
    """The path of the store that could not take it; None where that is not known."""
    is_failure: bool = False
    """Whether the attempt failed: then ``completion`` has its cost, and its error as JSON text in place of a result."""


def plan_digest(record: JobRecord) -> str:
    """Return 32 hexadecimal digits that name the plan of a job, as far as it stays the same while the job grows."""
    plan = [record.file_name, record.model, record.provider, record.config, record.sequential]
    return sha256(json_text.encode(plan).encode()).hexdigest()[:32]


def write(path: Path, results: Sequence[UnrecordedResult]) -> None:
    """Write results to a new file. Durable when this returns.

    Raises:
        StorageFullError, StorageUnavailableError: it cannot be written there; nothing is left of it.
    """
    replace_file(path, (_line(result) for result in results))


def new_name(store: Path) -> str:
    """Return a name for a new file, which no other file has."""
    return f"{store.name}{UNRECORDED_MARK}{os.urandom(6).hex()}"


def remove_job(store: Path, path: Path, job_id: str) -> None:
    """Remove the results of one job from a file; with the last result the file goes. The results for a copy stay.

    Raises:
        CheckpointStoreError: the file cannot be read, written or removed. It is as it was.
    """
    results = read(store, path)
    rest = [result for result in results if result.completion.job_id != job_id or is_of_another(store, path, result)]
    if rest and len(rest) < len(results):
        write(path, rest)
    elif not rest:
        remove_file(path)


def _line(result: UnrecordedResult) -> str:
    fields = {name: getattr(result.completion, name) for name in _FIELDS}
    about = {"format": _FAILURE_FORMAT if result.is_failure else _FORMAT, "store": result.store, "plan": result.plan}
    return json.dumps(about | fields, ensure_ascii=True) + "\n"


def read(store: Path, path: Path) -> list[UnrecordedResult]:
    """Return the results in a file of unrecorded results.

    Raises:
        StoreTargetError: the file is no regular file of ours, or others may write to it.
        StateFormatError: the file holds something else, or was changed.
        StorageUnavailableError: the file cannot be read.
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | GUARDS)
        with io.FileIO(descriptor) as file:
            if not _is_private(store, os.fstat(descriptor)):
                raise StoreTargetError(path, "it is not a private file of the owner of the store")
            text = file.readall().decode("ascii", "replace")
    return [_result(path, line) for line in text.splitlines()]


def _result(path: Path, line: str) -> UnrecordedResult:
    try:
        fields: Any = read_json(line)
        plan, written_as, store = fields.pop("plan"), fields.pop("format"), fields.pop("store", None)
        completion = Completion(**fields)
        digest = result_digest.digest(completion.job_id, completion.chunk_index, completion.text or "")
    except StateFormatError as error:
        raise StateFormatError(error.field, error.reason, path=path) from error
    except (TypeError, KeyError, AttributeError) as error:
        raise StateFormatError(None, f"has other fields than a result has: {error}", path=path) from error
    if (
        written_as not in (_FORMAT, _FAILURE_FORMAT)
        or type(completion.chunk_index) is not int
        or digest != completion.digest
    ):
        raise StateFormatError("digest", "does not fit the result: the file was changed", path=path)
    return UnrecordedResult(completion, plan, store, is_failure=written_as == _FAILURE_FORMAT)


def private_folder(temporary: Path) -> Path:
    """Return the folder of this user in a folder for temporary files, and make it if it is missing.

    Nobody removes it: another process may be about to write a file there. If another user has made something of that
    name, return the folder for temporary files itself.
    """
    folder = temporary / f"{_PRIVATE_FOLDER}-{os.geteuid()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700)
        open_to_owner(folder)
    is_taken = os.path.lexists(folder) and not _is_private_folder(folder, {os.geteuid()})
    return temporary if is_taken else folder


def is_of_another(store: Path, path: Path, result: UnrecordedResult) -> bool:
    """Whether a result is for another store that exists: a folder for temporary files has the files of all stores.

    A file beside a store is for that store: somebody may have copied the folder, or put the file there.
    """
    if path.parent == store.parent or result.store is None:
        return False
    with suppress(OSError, ValueError):
        return not Path(result.store).samefile(store)
    return False


def files_of(store: Path) -> Iterator[Path]:
    """Yield the files of unrecorded results beside a store, by name; then those in the folders for temporary files.

    There may be files of another store that has the same name. Their results name jobs that this store does not have.
    A stand-in is thrown away with all that it takes in: so it takes in only the files beside it.
    """
    yield from Siblings(store).unrecorded()
    if store.parent.name.startswith(STAND_IN_FOLDER):
        return
    folders = [Path(os.environ[variable]) for variable in _TEMPORARY_VARIABLES if os.environ.get(variable)]
    for folder in dict.fromkeys([*folders, *_TEMPORARY_FOLDERS]):
        with suppress(OSError):  # the folder is missing, or cannot be read
            for temporary in _folders_in(folder, {store.stat().st_uid, os.geteuid()}):
                paths = Siblings(temporary / store.name).unrecorded()
                if paths and not temporary.samefile(store.parent):
                    yield from (path for path in paths if _is_private(store, os.lstat(path)))


def _folders_in(temporary: Path, users: set[int]) -> Iterator[Path]:
    """Yield the folders of these users in a folder for temporary files.

    Yield the folder for temporary files itself if another user has made something that has the name of a user's folder.
    """
    for user in sorted(users):
        folder = temporary / f"{_PRIVATE_FOLDER}-{user}"
        if os.path.lexists(folder):
            yield folder if _is_private_folder(folder, {user}) else temporary


def _is_private_folder(folder: Path, users: set[int]) -> bool:
    with suppress(OSError):
        status = os.lstat(folder)
        is_ours = status.st_uid in users and not status.st_mode & _OTHERS_MAY_WRITE
        return stat.S_ISDIR(status.st_mode) and is_ours
    return False


def _is_private(store: Path, status: os.stat_result) -> bool:
    """Whether a file is a regular one of the owner of the store, or ours, to which nobody else may write."""
    is_ours = status.st_uid in {store.stat().st_uid, os.geteuid()} and status.st_nlink == 1
    return stat.S_ISREG(status.st_mode) and is_ours and not status.st_mode & _OTHERS_MAY_WRITE
