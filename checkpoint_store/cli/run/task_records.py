"""The records of one input of a run: its task and its report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import JobStatus, current_attempt
from checkpoint_store.cli.paths import STANDARD, on_one_line
from checkpoint_store.cli.run.command.answer import TEXT_FIELD
from checkpoint_store.cli.run.command.outcome import CommandFailedError
from checkpoint_store.cli.run.memory import NO_LATER_FILES, LaterFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from checkpoint_store import Attempt
    from checkpoint_store.cli.run.outputs.output import Output
    from checkpoint_store.cli.transcripts.split import TextChunk

    # Does a chunk, with the variables of this try; returns the fields of the result (``cleaned_text`` at least) and a
    # message for the screen.
    Clean = Callable[[TextChunk, Mapping[str, str]], tuple[dict[str, Any], str]]

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
PAUSED: Final = 75
INTERRUPTED: Final = 130
CONTEXT_LENGTH_MAX: Final = 20_000
"""The most characters of a context: the kernel takes no variable of more than 128 KiB."""
_JSON_LENGTH_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Task:
    """One input, its chunks, and the settings of its job."""

    path: Path
    chunks: list[TextChunk]
    output: Output
    file_name: str
    """The name of the job: the path relative to the store's folder."""
    settings: Mapping[str, Any]
    """The arguments of ``open_job`` besides the file and its chunks."""
    join: Callable[[list[TextChunk], Iterator[str]], str]
    """Makes the text of the output from the chunks and their answers."""
    is_raw: bool = False
    """Whether each answer is taken with the white space around it."""
    words: tuple[str, ...] = ()
    """The command line that goes on with this input alone, without ``run`` and ``--store``; empty without a line."""
    later: LaterFiles = NO_LATER_FILES
    """The files of the run behind this file."""
    kept: Mapping[int, str] = field(default_factory=dict)
    """What COMMAND printed in an earlier run that could not read it, by chunk; see :func:`.kept_answers`."""

    def variables(self, chunk: TextChunk) -> dict[str, str]:
        """Return the environment variables for the current try at a chunk. An unknown value is empty, for ``set -u``.

        What was recorded for the chunk before may be too long for a variable: :class:`CommandFailedError`.
        """
        attempt = current_attempt()
        previous = attempt.previous if isinstance(attempt.previous, dict) else {}
        values = {
            "PREVIOUS": str(previous.get(TEXT_FIELD, ""))[-CONTEXT_LENGTH_MAX:],
            "PREVIOUS_JSON": _previous_json(previous, attempt) if previous else "",
            "CONTEXT": chunk.context,
            "CHUNK_INDEX": str(attempt.chunk_index),
            "TOTAL_CHUNKS": str(len(self.chunks)),
            "FILE": str(self.path),
            "TITLE": self.settings["video_title"] or "",
            "LANGUAGE": self.settings["config"]["language"] or "",
            "ATTEMPT": str(attempt.number),
            "ATTEMPT_KEY": attempt.attempt_key,
        }
        # No variable takes a NUL.
        return {f"CHECKPOINT_STORE_{name}": value.replace("\0", "\ufffd") for name, value in values.items()}


def _previous_json(previous: dict[str, Any], attempt: Attempt) -> str:
    text = json.dumps(previous)
    if len(text) > _JSON_LENGTH_MAX:
        size = f"the result of chunk {attempt.chunk_index - 1} has {len(text):,} characters of JSON"
        raise CommandFailedError(f"{size}, and a variable takes {_JSON_LENGTH_MAX:,}: let COMMAND print less")
    return text


@dataclass(slots=True)
class Report:
    """The outcome of one input."""

    file_name: str
    exit_code: int = DONE
    job_id: str | None = None
    status: JobStatus | None = None
    total_chunks: int = 0
    completed_chunks: int = 0
    done_before: int = 0
    done_now: int = 0
    seconds: float = 0.0
    cost: float | None = None
    cost_now: float | None = None
    failed_chunks: int = 0
    in_doubt_chunks: int = 0
    redo_chunks: int = 0
    """How many chunks are to be done again, and keep their earlier results until then."""
    left_in_part: int = 0
    """How many chunks are left of those that the run works on: of all, or of the part that ``--only`` names."""
    failed_in_part: int = 0
    """How many chunks, of those that the run works on, used up their tries."""
    failed_chunk: int | None = None
    halted: bool = False
    """Whether ``--halt`` ended the run."""
    answer_kept: bool = False
    """Whether an output of COMMAND ended the run that is no answer, or that JSON cannot hold; a copy is kept."""
    is_misread: bool = False
    """Whether an answer that had its text in another field ended the run: the line that ran would pay in vain."""
    error: str | None = None
    output: str | None = None
    output_written: bool = False
    output_edited: bool = False
    """Whether the output differs from the text of the results: it was edited since, and left as it was."""
    sequential: bool = False
    """Whether the chunks behind a failed chunk wait for it."""
    over_budget: bool = False
    """Whether ``--max-cost`` paused the job."""
    left_to_others: int = 0
    """How many chunks are left outside of the part that ``--only`` names, which is done; 0 where it is not."""
    cost_unknown: bool = False
    """Whether ``--max-cost`` paused the job because the cost of a result cannot be read."""
    run: dict[str, Any] | None = None
    """The record of the run, as ``Job.last_run`` has it; None if the run began no chunk."""
    run_summary: str | None = None
    file_number: int = 1
    """The number of this file among the files of the run, from 1."""
    file_count: int = 1
    pause_asked: bool = False
    """Whether a pause that somebody asked for ended the work on this file, and with that the whole run."""

    broken_off_by: str | None = None
    """The class of the error that ended the work on this file, and with that the whole run; None without an error."""

    @property
    def name(self) -> str:
        """The name of the file as people are shown it; standard input has none."""
        return "standard input" if self.file_name == str(STANDARD) else on_one_line(self.file_name)

    @property
    def position(self) -> str:
        """The number of this file, printed before its name: ``2 of 4  ``; empty in a run of one file."""
        return "" if self.file_count == 1 else f"{self.file_number:,} of {self.file_count:,}  "

    @property
    def outcome(self) -> str:
        """The outcome, in a word or two."""
        if self.broken_off_by is not None:
            return "stopped"
        if self.exit_code in (FAILED, UNUSABLE):
            return "failed" if self.exit_code == FAILED else "unusable"
        if self.exit_code == DONE:
            return "part done" if self.left_to_others else "complete"
        if self.job_id is None:
            return "not begun"
        return "paused" if self.exit_code == PAUSED else "stopped"

    @property
    def only_failed(self) -> bool:
        """Whether all chunks that are left are failed, or wait for a failed chunk, until ``retry`` frees them."""
        return 0 < self.failed_in_part <= self.left_in_part and (
            self.sequential or self.failed_in_part == self.left_in_part
        )
