"""The output file: it is written whole or not at all, and replaces no file that somebody else wrote."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from checkpoint_store.cli.run.output_log import PRIVATE, digest_at, digest_of, give_to_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import Job
    from checkpoint_store.cli.run.output_log import OutputLog

_SIBLING_SUFFIXES: Final = (".json", ".bak", ".lock", ".open", ".outputs", "-wal", "-shm", "-journal", ".recovered")
_EMPTY_DIGEST: Final = digest_of("")
_SIBLING_INFIXES: Final = (".backup-", ".corrupt-", ".replaced-", ".runner-", ".tmp-")


class UnusableOutputError(Exception):
    """The output file cannot be written; the message is one line and names the file."""


def check_output(path: Path) -> None:
    """Raise unless a file can be written at ``path``. This writes nothing."""
    if path.exists() and not path.is_file():
        raise UnusableOutputError(f"{path} is not a regular file; the output must be one")
    if not path.parent.is_dir():
        raise UnusableOutputError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        remedy = "name another file with --output"
        raise UnusableOutputError(f"{path}: no permission to write in {path.parent}; {remedy}")


def cleaned_texts(job: Job) -> Iterator[str]:
    """Yield each chunk's cleaned text, in order."""
    for index, result in job.items():
        text = result.get("cleaned_text") if isinstance(result, dict) else None
        if not isinstance(text, str):
            missing = f"chunk {index} of job {job.job_id} has no cleaned_text"
            raise UnusableOutputError(f"{missing}; begin anew with --fresh")
        yield text


class Output:
    """The output file of one input, and the decision whether an existing file may be replaced.

    A file may be replaced if this command wrote it for the same input (for an earlier job, too), if it is the text of
    the results, or with ``--force``.

    Args:
        path: the path of the output.
        file_name: the name of the input's job.
        output_log: the outputs that this command wrote before.
        force: whether any file is replaced.
    """

    def __init__(self, path: Path, file_name: str, output_log: OutputLog, *, force: bool) -> None:
        self.path = path
        self._file_name, self._output_log, self._force = file_name, output_log, force
        self._replaceable_digest: str | None = None
        """The digest of the file before the work, if it may be replaced."""

    def may_be_written(self) -> bool:
        """Return whether there is no file, or one that may be replaced. Call this before anything is paid for."""
        current = self._digest_on_disk()
        self._replaceable_digest = current
        return current is None or self._is_ours(current)

    def refuse_unless_result(self, text: str | None) -> None:
        """Raise :class:`UnusableOutputError` unless the run would leave the file as it is.

        ``text`` is the text of the results if no chunk is left, else None. An edited output stays as it is then.
        """
        if text is None or not (self._recorded_digests() or digest_of(text) == self._replaceable_digest):
            raise self._refusal("Nothing was done")
        self._replaceable_digest = None

    def write(self, text: str, *, has_new_results: bool) -> Literal["written", "same", "edited"]:
        """Write the text, unless the file has it already, or was edited and no result is new.

        Raises:
            UnusableOutputError: another file was put there since :meth:`may_be_written`, or writing fails.
        """
        current, digest = self._digest_on_disk(), digest_of(text)
        if current == digest:
            self._output_log.record(self.path, self._file_name, digest)
            return "same"
        if current is not None and current != self._replaceable_digest and not self._is_ours(current):
            if self._recorded_digests() and not has_new_results:
                return "edited"
            raise self._refusal("Every result is safe")
        self._output_log.record(self.path, self._file_name, digest)  # first: a killed run knows its file later
        write_output(self.path, text, store=self._output_log.store_path)
        return "written"

    def _digest_on_disk(self) -> str | None:
        try:
            return digest_at(self.path)
        except OSError as error:
            raise UnusableOutputError(f"{self.path} could not be written: {error.strerror}") from error

    def _recorded_digests(self) -> set[str]:
        return self._output_log.digests(self.path, self._file_name)

    def _is_ours(self, digest: str) -> bool:
        return self._force or digest == _EMPTY_DIGEST or digest in self._recorded_digests()

    def _refusal(self, note: str) -> UnusableOutputError:
        was_written = bool(self._recorded_digests())
        what = "was edited since it was written" if was_written else f"was not made from {self._file_name} here"
        return UnusableOutputError(
            f"{self.path} is there, and {what}; name another file with --output, or replace it with --force. {note}."
        )


def write_output(path: Path, text: str, *, store: Path) -> None:
    """Replace the file at ``path`` atomically: at every moment it is the old or the new one, whole.

    A new file is its owner's alone (0600); one that was there keeps its mode. As root, it stays its owner's, and a new
    one is given to the owner of the file at ``store``.
    """
    target = path.resolve()  # replace the file that a symbolic link names, not the link
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8", newline="\n", opener=_open_private) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        give_to_owner(temporary, target if target.exists() else store)
        temporary.replace(target)
    except OSError as error:
        raise UnusableOutputError(f"{path} could not be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)


def belongs_to_store(output: Path, store_path: Path) -> bool:
    """Return whether a file is the store or one of the files that the store keeps beside it."""
    output, store = Path(os.path.realpath(output)), Path(os.path.realpath(store_path))
    siblings = {
        store.name,
        *(store.with_suffix(end).name for end in _SIBLING_SUFFIXES if end.startswith(".")),
        *(store.name + end for end in _SIBLING_SUFFIXES),
    }
    prefixes = tuple(store.name + end for end in _SIBLING_INFIXES)
    return output.parent == store.parent and (output.name in siblings or output.name.startswith(prefixes))
