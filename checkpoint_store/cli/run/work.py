"""The work on one chunk: the cleaner is called, and its answer becomes the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from checkpoint_store import current_attempt
from checkpoint_store.cli.run.command.answer import TEXT_FIELD
from checkpoint_store.cli.run.command.unread_answer import UnreadAnswerError
from checkpoint_store.cli.run.command.worker import Command, CommandFailedError

if TYPE_CHECKING:
    from checkpoint_store.cli.run.task_records import Clean, Task
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcripts.split import TextChunk


class Work:
    """The function for ``Job.map``; threads may call it at the same time.

    What COMMAND says on standard error waits until its answer is recorded: the answer is paid for.
    """

    def __init__(self, task: Task, clean: Clean) -> None:
        self._task, self._clean = task, clean
        self._words: dict[int, str] = {}
        """What COMMAND wrote to standard error beside an answer and is not shown yet, by chunk."""

    def __call__(self, chunk: TextChunk) -> dict[str, Any]:
        """Return the result for a chunk.

        Raises:
            CommandFailedError, UnreadAnswerError: COMMAND gave no answer, or printed something else.
        """
        index, started = current_attempt().chunk_index, time.monotonic()
        try:
            fields, stderr = self._read_again(index, chunk) or self._clean(chunk, self._task.variables(chunk))
        except (CommandFailedError, UnreadAnswerError) as error:
            error.chunk_index = index
            raise
        if stderr:
            self._words[index] = stderr
        return _result(index, chunk, fields, time.monotonic() - started)

    def _read_again(self, index: int, chunk: TextChunk) -> tuple[dict[str, Any], str] | None:
        """Return the answer of an earlier run that could not read it, if this run can; it was paid for."""
        printed = self._task.kept.get(index)
        if printed is None or not isinstance(self._clean, Command):
            return None
        fields = self._clean.read_again(chunk, printed)
        return None if fields is None else (fields, "")

    def show_words(self, screen: Screen, index: int | None = None) -> None:
        """Print what COMMAND wrote to standard error beside the answer for a chunk; None: for all chunks."""
        for chunk_index in list(self._words) if index is None else [index]:
            if (words := self._words.pop(chunk_index, None)) is not None:
                screen.note(words, style="dim")


def _result(index: int, chunk: TextChunk, fields: dict[str, Any], seconds: float) -> dict[str, Any]:
    measured = {
        TEXT_FIELD: "",
        "seconds": round(seconds, 3),
        "characters_in": len(chunk.text),
        "characters_out": len(fields[TEXT_FIELD]),
    }
    # The program cannot change the index, by which results are paired with chunks.
    return {"chunk_index": index} | measured | fields | {"chunk_index": index}
