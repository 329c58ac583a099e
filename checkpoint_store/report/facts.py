"""The facts of a report about a job: its costs and tokens, and its chunks and attempts as columns of numbers."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from checkpoint_store import AttemptRecord, ChunkRecord, CompletionRecord, Job, JobCosts, JobSummary


TOKENS: Final = frozenset(
    ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens", "total_tokens", "tokens")
)
_AMOUNT_LENGTH_MAX: Final = 64
_AMOUNT_MAX: Final = 1e15


def amount_at(result: Any, path: str) -> float | None:
    """Return the amount at a field or dotted path of a result: a number from 0 to 10^15, or a text that is one."""
    value = result.get(path) if isinstance(result, dict) else None
    if value is None:
        value = result
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    return None if value is None else _amount(value)


def _amount(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and (len(value) > _AMOUNT_LENGTH_MAX or "_" in value or not value.isascii()):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= _AMOUNT_MAX else None


@dataclass(slots=True)
class Sums:
    """The highest cost of the results of one job, and the sums of the tokens in the results that it paid for."""

    cost_path: str
    dearest: float | None = None
    tokens: dict[str, float] = field(default_factory=dict)

    def add(self, completion: CompletionRecord, result: Any) -> float | None:
        """Add a result, and return its cost; None if the result names no cost."""
        cost = amount_at(result, self.cost_path)
        if cost is not None:
            self.dearest = cost if self.dearest is None else max(self.dearest, cost)
        if completion.source_job_id is None:
            self._add_tokens(result)
        return cost

    def _add_tokens(self, result: Any) -> None:
        if not isinstance(result, dict):
            return
        inner = result.get("usage")
        named = (inner if isinstance(inner, dict) else {}) | result
        for name in TOKENS & named.keys():
            tokens = _amount(named[name])
            if tokens is not None:
                self.tokens[name] = self.tokens.get(name, 0.0) + tokens


_LETTERS: Final = {"completed": "c", "failed": "f", "abandoned": "a", "running": "r"}
_DIGITS: Final = 4
"""How many significant digits of a number of seconds the page has."""


def milliseconds(moment: str) -> int:
    """Return an ISO 8601 moment as milliseconds since 1970, UTC."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


class TextTable:
    """Texts that occur often, each stored once: a column holds the position of a text in the table."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        """The position of each text, ascending."""

    def position_of(self, text: str | None) -> int:
        """Return the position of a text, which gets the next one if it is new; -1 for None."""
        return -1 if text is None else self.positions.setdefault(text, len(self.positions))


class Completions:
    """The columns of the completed chunks: the time of completion, the cost, and the job that paid."""

    def __init__(self, origin_ms: int) -> None:
        self._origin_ms = origin_ms
        self._sources = TextTable()
        self._columns: dict[str, list[Any]] = {name: [] for name in ("index", "at", "cost", "source")}

    def add(self, completion: CompletionRecord, cost: float | None) -> None:
        """Add a completed chunk. Add the chunks in the order of their indices."""
        self._columns["index"].append(completion.chunk_index)
        self._columns["at"].append(milliseconds(completion.completed_at) - self._origin_ms)
        self._columns["cost"].append(cost)
        self._columns["source"].append(self._sources.position_of(completion.source_job_id))

    def as_json(self) -> dict[str, Any]:
        """Return the columns, except those without content."""
        columns = dict(self._columns)
        if not self._sources.positions:
            del columns["source"]
        if not any(cost is not None for cost in columns["cost"]):
            del columns["cost"]
        return columns | {"sources": list(self._sources.positions)}


def attempt_columns(attempts: Iterable[AttemptRecord], origin_ms: int) -> dict[str, Any]:
    """Return attempts, by chunk and number, as columns. Times count in milliseconds from ``origin_ms`` on."""
    errors = TextTable()
    columns: dict[str, list[Any]] = {
        name: [] for name in ("index", "number", "start", "seconds", "error", "cost", "runner")
    }
    outcomes, flags = [], []
    for attempt in attempts:
        columns["index"].append(attempt.chunk_index)
        columns["number"].append(attempt.attempt)
        columns["start"].append(milliseconds(attempt.started_at) - origin_ms)
        columns["seconds"].append(None if attempt.seconds is None else float(f"{attempt.seconds:.{_DIGITS}g}"))
        columns["error"].append(errors.position_of(attempt.error))
        columns["cost"].append(attempt.cost)
        columns["runner"].append(attempt.runner)
        outcomes.append(_LETTERS[attempt.outcome])
        flags.append("1" if attempt.counted else "0")
    return columns | {"outcome": "".join(outcomes), "counted": "".join(flags), "errors": list(errors.positions)}


_COMMAND_LINE: Final = "command_line"
"""The metadata key under which the command stores how a job is run. The page shows a line to type instead."""


def job_facts(job: Job, summary: JobSummary) -> dict[str, Any]:
    """Return the progress of a job, and the settings that it was made for."""
    progress, runners = summary.progress, job.runners() if summary.is_active else []
    return {
        "job_id": summary.job_id,
        "file_name": summary.file_name,
        "title": summary.video_title,
        "model": summary.model,
        "provider": summary.provider,
        "status": summary.shown_status,
        "is_active": summary.is_active,
        "total": progress.total_chunks,
        "completed": progress.completed_chunks,
        "failed": summary.failed_chunks,
        "in_doubt": summary.in_doubt_chunks,
        "redo": summary.redo_chunks,
        "replaced_cost": summary.replaced_cost,
        "chunks_per_minute": progress.chunks_per_minute,
        "seconds_left": summary.seconds_left,
        "started_at": milliseconds(progress.started_at.isoformat()),
        "updated_at": milliseconds(progress.updated_at.isoformat()),
        "error": summary.error_message,
        "config": summary.config,
        "metadata": {name: value for name, value in summary.metadata.items() if name != _COMMAND_LINE},
        "sequential": job.sequential,
        "in_doubt_with_handle": summary.in_doubt_with_handle,
        "superseded_by": summary.superseded_by,
        "runners": [dataclasses.asdict(runner) for runner in runners if runner.is_alive],
    }


def lines(summary: JobSummary, store_path: Path) -> dict[str, str]:
    """Return the command lines that a reader of the page may type, by command. They work in every folder.

    ``resume`` is among them if a run can go on with chunks that are left, and the job remembers how it is run.
    """
    job_id, store = summary.job_id[:8], ("--store", str(store_path))
    words = {verb: ("checkpoint-store", verb, job_id, *store) for verb in ("retry", "results")}
    left = summary.progress.remaining_chunks
    if left and _COMMAND_LINE in summary.metadata and not (summary.is_superseded or summary.is_active):
        failed = ("--failed",) if summary.failed_chunks == left else ()
        words["resume"] = ("checkpoint-store", "resume", job_id, *failed, *store, *_open_option(summary.error_message))
    return {verb: shlex.join(line) for verb, line in words.items()}


def _open_option(error_message: str | None) -> tuple[str, ...]:
    """Return the option whose value the reader has to choose for a job that would otherwise pause again."""
    open_options = {
        "BudgetReached": ("--max-cost", "AMOUNT"),
        "CostUnknown": ("--cost", "FIELD"),
        "OtherFormError": ("--result-field", "FIELD"),
    }
    return open_options.get((error_message or "").partition(":")[0], ())


def costs(paid: JobCosts, sums: Sums, in_doubt: Sequence[float | None]) -> dict[str, Any]:
    """Return what a job paid, what others paid for it, and what its chunks in doubt may have cost.

    ``in_doubt`` has the reservation of each chunk in doubt; None if no budget was set.
    """
    dearest = sums.dearest
    at_most = [max(reserved or 0.0, dearest or 0.0) for reserved in in_doubt]
    return {
        "spent": paid.cost,
        "failed_tries_cost": paid.failed_cost + paid.replaced_cost or None,
        "carried_cost": paid.carried,
        "in_doubt_at_most": sum(at_most) if any(at_most) else None,
        "tokens": dict(sorted(sums.tokens.items())),
    }


def marks(job: Job, summary: JobSummary) -> dict[str, list[ChunkRecord]]:
    """Return the last try at each chunk that was tried and is not complete, by how the chunk stands."""
    if not summary.progress.remaining_chunks:
        return {name: [] for name in ("running", "retried", "in_doubt", "failed")}
    failed = job.failed_chunks()
    gone = {record.chunk_index for record in failed}
    return {
        "running": job.running_chunks(),
        "retried": [record for record in job.errors() if record.chunk_index not in gone],
        "in_doubt": job.in_doubt_chunks(),
        "failed": failed,
    }
