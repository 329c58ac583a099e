"""T15: results as the caller's own types, and what it costs to store them."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from benchmarks import measure
from benchmarks.measure import Report, Verdict
from checkpoint_store.execution.results import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench


@dataclass
class Word:
    """A word of a segment."""

    text: str
    start: float
    end: float


@dataclass
class Segment:
    """A segment of a chunk."""

    speaker: str | None
    text: str
    words: list[Word]


@dataclass
class Chunk:
    """A result."""

    chunk_index: int
    segments: list[Segment]
    cost: float
    model: str = "m"


def _data(segments: int) -> dict[str, Any]:
    words = [{"text": f"word {number}", "start": number / 2, "end": number / 2 + 0.25} for number in range(8)]
    rows = [{"speaker": None if number % 2 else "A", "text": "said", "words": words} for number in range(segments)]
    return {"chunk_index": 3, "segments": rows, "cost": 0.01, "model": "m"}


def _models(pydantic: Any) -> Any:
    word = pydantic.create_model("PWord", text=(str, ...), start=(float, ...), end=(float, ...))
    segment = pydantic.create_model(
        "PSegment", speaker=(str | None, None), text=(str, ...), words=(GenericAlias(list, (word,)), ...)
    )
    return pydantic.create_model(
        "PChunk",
        chunk_index=(int, ...),
        segments=(GenericAlias(list, (segment,)), ...),
        cost=(float, ...),
        model=(str, "m"),
    )


def t15(bench: Bench) -> Report:
    """T15: typed results."""
    segments = bench.size(100, 100)
    report = Report("T15", f"A result of {segments:,} segments of eight words as the caller's own type")
    try:
        pydantic: Any = importlib.import_module("pydantic")
    except ImportError:
        return report
    text, model = json.dumps(_data(segments)), _models(pydantic)
    adapters = {kind: pydantic.TypeAdapter(kind).validate_python for kind in (Chunk, model)}
    typed = adapters[Chunk](json.loads(text))

    def ours(kind: type[Any]) -> Callable[[], object]:
        return lambda: decoded(text, kind, job_id="", chunk_index=0)

    def theirs(kind: type[Any]) -> Callable[[], object]:
        return lambda: adapters[kind](json.loads(text))

    calls = {
        "dataclasses, TypeAdapter": theirs(Chunk),
        "dataclasses, as_type": ours(Chunk),
        "pydantic, TypeAdapter": theirs(model),
        "pydantic, as_type": ours(model),
        "json.dumps of plain data": lambda: json.dumps(_data(segments)),
        "complete: text and check, dataclasses": lambda: encoded(typed, chunk_index=0),
        "complete: text and check, plain data": lambda: encoded(_data(segments), chunk_index=0),
    }
    found = measure.interleave({name: measure.timed(call) for name, call in calls.items()}, bench.rounds(100, 20))
    reference, of_dataclasses, of_pydantic, by_pydantic, *_ = calls
    report.tables.append(measure.table("One result, text to object", found, reference))
    nested = measure.middle_ratio(found, of_dataclasses, reference)
    report.verdicts.append(Verdict("dataclasses ÷ TypeAdapter", nested, 3.0))
    models = measure.middle_ratio(found, by_pydantic, of_pydantic)
    report.verdicts.append(Verdict("pydantic ÷ TypeAdapter", models, 1.3))
    return report
