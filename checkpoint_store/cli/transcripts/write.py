"""The output file: joined, written whole or not at all, and never over what somebody else wrote since."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from checkpoint_store.cli.run.output_log import digest_at, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import Job
    from checkpoint_store.cli.run.output_log import Written

_BESIDE: Final = (".json", ".bak", ".lock", ".open", ".outputs", "-wal", "-shm", "-journal", ".recovered")
_EMPTY: Final = digest_of("")
_MADE: Final = (".backup-", ".corrupt-", ".replaced-", ".runner-", ".tmp-")


class UnusableOutputError(Exception):
    """The output file cannot be written there; the message is one line and names the file."""


def check_output(path: Path) -> None:
    """Raise unless a file can be written at ``path``; nothing is written."""
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
    """The output file of one input, and whether what is there may be replaced.

    It may where this command wrote it for the same input (an earlier job's text, too), where it is what the results
    give, or with ``--force``.

    Args:
        path: where it goes.
        file_name: what the job of its input is called.
        written: what this command wrote before.
        force: whether anything is replaced.
    """

    def __init__(self, path: Path, file_name: str, written: Written, *, force: bool) -> None:
        self.path = path
        self._file_name, self._written, self._force = file_name, written, force
        self._checked: str | None = None
        """The digest of what was there before the work, where that may be replaced."""

    def may_be_written(self) -> bool:
        """Whether nothing is there, or what may be replaced. Asked before anything is paid for."""
        there = self._digest()
        self._checked = there
        return there is None or self._is_ours(there)

    def refuse_unless_result(self, text: str | None) -> None:
        """Raise :class:`UnusableOutputError` unless the work would leave what is there as it is.

        ``text`` is what the results give where no work is left, else None. An output that was edited stays then.
        """
        if text is None or not (self._known() or digest_of(text) == self._checked):
            raise self._refusal("Nothing was done")
        self._checked = None

    def write(self, text: str, *, is_news: bool) -> Literal["written", "same", "edited"]:
        """Write the text, unless it is there already, or what is there was edited and no new result is in the text.

        Raises:
            UnusableOutputError: something else came there since :meth:`may_be_written`, or it cannot be written.
        """
        there, digest = self._digest(), digest_of(text)
        if there == digest:
            self._written.remember(self.path, self._file_name, digest)
            return "same"
        if there is not None and there != self._checked and not self._is_ours(there):
            if self._known() and not is_news:
                return "edited"
            raise self._refusal("Every result is safe")
        self._written.remember(self.path, self._file_name, digest)  # first: killed in between, it is known
        write_output(self.path, text)
        return "written"

    def _digest(self) -> str | None:
        try:
            return digest_at(self.path)
        except OSError as error:
            raise UnusableOutputError(f"{self.path} could not be written: {error.strerror}") from error

    def _known(self) -> set[str]:
        return self._written.digests(self.path, self._file_name)

    def _is_ours(self, digest: str) -> bool:
        return self._force or digest == _EMPTY or digest in self._known()

    def _refusal(self, consolation: str) -> UnusableOutputError:
        what = "was edited since it was written" if self._known() else f"was not made from {self._file_name} here"
        return UnusableOutputError(
            f"{self.path} is there, and {what}; name another file with --output, or replace it with --force. "
            f"{consolation}."
        )


def write_output(path: Path, text: str) -> None:
    """Write the text to ``path`` in one step: at every moment the file is the old or the new one, whole."""
    target = path.resolve()  # of a symbolic link, the file that it names is replaced
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except OSError as error:
        raise UnusableOutputError(f"{path} could not be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def belongs_to_store(output: Path, store_path: Path) -> bool:
    """Whether a file is the store or one of those that it keeps beside it."""
    there, store = Path(os.path.realpath(output)), Path(os.path.realpath(store_path))
    beside = {
        store.name,
        *(store.with_suffix(end).name for end in _BESIDE if end.startswith(".")),
        *(store.name + end for end in _BESIDE),
    }
    made = tuple(store.name + end for end in _MADE)
    return there.parent == store.parent and (there.name in beside or there.name.startswith(made))
