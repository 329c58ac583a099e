"""The output of one input: stdout, or a file that is written whole and replaces no file of somebody else."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from checkpoint_store import CheckpointStoreError, replace_file
from checkpoint_store.cli.paths import STANDARD, on_one_line, path_text, why_no_new_file
from checkpoint_store.cli.run.outputs.log import digest_at, digest_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from checkpoint_store.cli.run.outputs.log import OutputLog
    from checkpoint_store.cli.transcripts.split import TextChunk


_LINE_ENDS: Final = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def joined(chunks: Sequence[TextChunk], answers: Iterable[str]) -> str:
    """Return the answers with what stood between their chunks; around an empty answer, one separator of the two."""
    text = "".join(_parts(zip((chunk.separator for chunk in chunks), answers, strict=True)))
    return text if text.endswith("\n") else f"{text}\n"


def lines(_chunks: Sequence[TextChunk], answers: Iterable[str]) -> str:
    """Return one line for each answer, in order, the empty ones included; a line end in an answer is a space."""
    return "".join(f"{_LINE_ENDS.sub(' ', answer.strip())}\n" for answer in answers)


def _parts(parts: Iterable[tuple[str, str]]) -> Iterator[str]:
    waiting, is_written = "", False
    for number, (separator, answer) in enumerate(parts):
        waiting = max(waiting, separator, key=lambda space: (space.count("\n"), len(space)))
        if answer:
            if is_written or not number:
                yield waiting
            yield answer
            waiting, is_written = "", True


_EMPTY_DIGEST: Final = digest_of("")

Outcome = Literal["written", "same", "edited"]


class UnusableOutputError(Exception):
    """The output cannot be written; the message is one line and names the file."""


def check_output(path: Path) -> None:
    """Raise unless a file can be written at ``path``. This writes nothing."""
    name = path_text(path)
    if path == STANDARD:
        return
    if not path.parent.is_dir():
        raise UnusableOutputError(f"{name}: there is no folder {path_text(path.parent)}")
    _check_name(path)
    if path.is_symlink():
        target = path_text(path.readlink())
        raise UnusableOutputError(f"{name} is a symbolic link to {target}; name the file itself with --output")
    if path.exists() and not path.is_file():
        raise UnusableOutputError(f"{name} is not a regular file; the output must be one (- is standard output)")
    reason = why_no_new_file(path.parent)
    if reason is not None:
        raise UnusableOutputError(f"{name}: {reason}; name another file with --output")


def _check_name(path: Path) -> None:
    length, length_max = len(os.fsencode(path.name)), os.pathconf(path.parent, "PC_NAME_MAX")
    if length > length_max:
        long = f"the name has {length} bytes, and the file system takes {length_max}"
        raise UnusableOutputError(f"{path_text(path)}: {long}; give a shorter name with --output")


class StandardOutput:
    """Standard output; the text is printed by each run that ends with all chunks completed."""

    path: Path = STANDARD

    def may_be_written(self) -> bool:
        """Return whether the output is absent, or may be replaced; always True here. Call it before the work."""
        return True

    def refuse_unless_result(self, text: str | None) -> None:
        """Raise :class:`UnusableOutputError` unless the run would leave an existing output as it is; here, nothing."""

    def write(self, text: str, _job_id: str, *, has_new_results: bool) -> Outcome:  # noqa: ARG002 - of the file
        """Print the text, in UTF-8 whatever the locale. Where ``head`` has closed the pipe, end without a word."""
        try:
            self._print(text)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
            raise SystemExit(1) from None
        except OSError as error:
            raise UnusableOutputError(f"standard output could not be written: {error.strerror}. {_SAFE}") from error
        return "written"

    def _print(self, text: str) -> None:
        sys.stdout.flush()
        binary = getattr(sys.stdout, "buffer", None)
        if binary is None:  # a program that calls this one may catch its text
            sys.stdout.write(text)
        else:
            rest = memoryview(text.encode())
            while (
                rest
            ):  # a stream without a buffer (PYTHONUNBUFFERED) writes less than all where a signal interrupts it
                rest = rest[binary.write(rest) or len(rest) :]
            binary.flush()


class OutputFile:
    """The output file of one input, and the decision whether an existing file may be replaced.

    A file may be replaced if a job of the same input wrote it, this job is still in the store, and nobody changed the
    file since; if it is the text of the results; or with ``force``. So what is replaced can be had again.
    """

    def __init__(
        self, path: Path, file_name: str, job_ids: Collection[str], output_log: OutputLog, *, force: bool
    ) -> None:
        self.path = path
        self._file_name, self._output_log, self._force = file_name, output_log, force
        self._own_digests = output_log.digests(path, file_name, job_ids)
        self._replaceable_digest: str | None = None
        """The digest of the file before the work, if it may be replaced."""

    def may_be_written(self) -> bool:
        """Return whether the file is absent, or may be replaced. Call this before anything is paid for."""
        current = self._digest_on_disk()
        self._replaceable_digest = current
        return current is None or self._is_ours(current)

    def refuse_unless_result(self, text: str | None) -> None:
        """Raise :class:`UnusableOutputError` unless the run would leave the file as it is.

        ``text`` is the text of the results if no chunk is left, else None. An edited output stays as it is then.
        """
        if text is None or not (self._own_digests or digest_of(text) == self._replaceable_digest):
            raise self._refusal("Nothing was done")
        self._replaceable_digest = None

    def write(self, text: str, job_id: str, *, has_new_results: bool) -> Outcome:
        """Write the text, unless the file has it already, or was edited while no result is new."""
        current, digest = self._digest_on_disk(), digest_of(text)
        if current == digest:
            self._record(digest, job_id)
            return "same"
        if current is not None and current != self._replaceable_digest and not self._is_ours(current):
            if self._own_digests and not has_new_results:
                return "edited"
            raise self._refusal("Every result is safe")
        self._record(digest, job_id)  # first: a killed run knows its file later
        try:
            check_output(self.path)  # a link may have been put there meanwhile
            replace_file(self.path, [text], like=self._output_log.store_path, keeps_mode=True)
        except CheckpointStoreError as error:
            reason = getattr(error, "reason", error)
            raise UnusableOutputError(f"{path_text(self.path)} could not be written: {reason}. {_SAFE}") from error
        return "written"

    def _record(self, digest: str, job_id: str) -> None:
        self._output_log.record(self.path, self._file_name, digest, job_id)
        self._own_digests.add(digest)

    def _digest_on_disk(self) -> str | None:
        try:
            return digest_at(self.path)
        except OSError as error:
            raise UnusableOutputError(f"{path_text(self.path)} could not be written: {error.strerror}") from error

    def _is_ours(self, digest: str) -> bool:
        return self._force or digest == _EMPTY_DIGEST or digest in self._own_digests

    def _refusal(self, note: str) -> UnusableOutputError:
        what = f"was not made from {on_one_line(self._file_name)} here"
        if self._own_digests:
            what = "was edited since it was written"
        remedy = "name another file with --output, or replace it with --force"
        return UnusableOutputError(f"{path_text(self.path)} is there, and {what}; {remedy}. {note}.")


Output: TypeAlias = StandardOutput | OutputFile
"""The output for the text of one input."""
_SAFE: Final = "Every result is safe; run again with another --output, or once the cause is gone."
