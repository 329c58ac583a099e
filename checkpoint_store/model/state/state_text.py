"""The text of a state file: the order of its fields, and its layout.

The layout is indented JSON: one line for each field, one for all completed chunks, one for each result, one for the
chunks of all results. So a state is written and read in constant memory, the beginning of the text tells how far the
job is, and a torn file can be read line by line.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.state.state import ProcessingState
from checkpoint_store.model.store_file import RELEASED_VERSIONS, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FIELDS: Final = tuple(field.name for field in dataclasses.fields(ProcessingState))
COMPLETED_CHUNKS: Final = "completed_chunks"
RESULTS: Final = "processed_results"
HEAD: Final = FIELDS[: FIELDS.index(COMPLETED_CHUNKS)]
"""The fields before the completed chunks."""
RESULT_INDICES: Final = "result_indices"
_TAIL: Final = FIELDS[FIELDS.index(RESULTS) + 1 : FIELDS.index(RESULT_INDICES)]
"""The fields between the results and the chunks of the results."""
_REDO: Final = "redo_chunks"
_LAST: Final = FIELDS[FIELDS.index(RESULT_INDICES) + 1 : FIELDS.index(_REDO)]
"""The fields after the chunks of the results, each an object; the chunks that are to be done again come last."""
HEAD_LINES: Final = 1 + len(HEAD) + 1
"""The lines up to the completed chunks: the brace, one line for each field, the completed chunks."""

_BEGINS_WITH: Final = f'"{FIELDS[0]}"'.encode()
_ID_BYTES_MAX: Final = 40
"""A text that was cut off before its ``job_id`` is shorter than this."""
_COMPLETED_BEGIN: Final = f'  "{COMPLETED_CHUNKS}": ['.encode()
_COMPLETED_END: Final = b"],\n"
_COMPLETED_LINE: Final = re.compile(rf'  "{COMPLETED_CHUNKS}": \[(?P<indices>[\d, ]*)\],'.encode())
# With all indices on one line, as beside a store: a state file from before stores existed has a line for each index.
_KNOWS_CHUNKS: Final = re.compile(rf'\n  "{COMPLETED_CHUNKS}": \[\d'.encode())
_VERSION: Final = re.compile(rf'"{FIELDS[0]}"\s*:\s*"([^"]*)"'.encode())
_UPDATED_AT: Final = re.compile(rb'\n  "updated_at": "([^"\n]+)",\n')


# -- writing


def state_text(
    job: object,
    completed: Iterable[Sequence[int]],
    results: Iterable[Sequence[str]],
    result_indices: Iterable[Sequence[int]],
    redo_chunks: Sequence[int],
) -> Iterator[str]:
    """Yield the text of a state, in constant memory.

    ``job`` has the other fields of a state as attributes: a state, or a job's record. The completed chunks, the results
    (as JSON text without a newline) and their chunks come in pages.
    """
    yield from state_head(job, completed)
    yield from results_text(results)
    yield from state_tail(job, result_indices, redo_chunks)


FIRST_RESULT: Final = "\n    "
NEXT_RESULT: Final = ",\n    "
"""The text before the first result, and before each other result."""


def results_text(results: Iterable[Sequence[str]], *, has_earlier: bool = False) -> Iterator[str]:
    """Yield the text of the results, for :func:`state_text`. A page of texts is copied once.

    ``has_earlier``: whether other results stand before them.
    """
    begin = 0 if has_earlier else len(NEXT_RESULT) - len(FIRST_RESULT)  # no comma before the first result
    for page in results:
        yield NEXT_RESULT.join(["", *page])[begin:]
        begin = 0


def state_head(job: object, completed: Iterable[Sequence[int]], size_bytes: int | None = None) -> Iterator[str]:
    """Yield the text before the results, for :func:`state_text`.

    ``size_bytes`` is the length that the text is to have: blanks behind the last completed chunk fill it up. If it is
    longer, ValueError is raised when most of it was yielded.
    """
    fields = _head_fields(job)
    yield fields
    spare_bytes = None if size_bytes is None else size_bytes - len(fields.encode()) - len(_HEAD_END)
    for text in _joined((", ".join(map(str, page)) for page in completed), ", "):
        spare_bytes = None if spare_bytes is None else spare_bytes - len(text)
        yield text
    if spare_bytes is not None and spare_bytes < 0:
        raise ValueError(size_bytes)
    for start in range(0, spare_bytes or 0, _BLANKS_AT_ONCE):
        yield " " * min(_BLANKS_AT_ONCE, (spare_bytes or 0) - start)
    yield _HEAD_END


def _head_fields(job: object) -> str:
    head = {"version": SCHEMA_VERSION} | {name: getattr(job, name) for name in HEAD if name != "version"}
    fields = (f"  {_text(name)}: {_text('' if value is None else value)},\n" for name, value in head.items())
    return "{\n" + "".join(fields) + f"  {_text(COMPLETED_CHUNKS)}: ["


RESULTS_BEGIN: Final = f'  "{RESULTS}": ['
"""The text between the line of the completed chunks and the results."""
_HEAD_END: Final = f"],\n{RESULTS_BEGIN}"
_BLANKS_AT_ONCE: Final = 8192
_SPARE_BYTES: Final = 64
"""The status and the number of chunks may grow by a few letters."""
_ROOMY_CHUNKS: Final = 2048
_ROOMY_GROWTH: Final = 4


def head_bytes_max(job: Any, completed_count: int) -> int:
    """Return the most bytes of the text before the results, with this many completed chunks."""
    each = len(f"{job.total_chunks}, ")
    return len(_head_fields(job).encode()) + completed_count * each + len(_HEAD_END)


def roomy_head_bytes(job: Any, completed_count: int) -> int:
    """Return the bytes of the text before the results, with room for the chunks that are still to be completed.

    The room is enough for all chunks, or, in a large job, for several times as many as are completed now.
    """
    return (
        head_bytes_max(job, min(job.total_chunks, max(_ROOMY_CHUNKS, completed_count * _ROOMY_GROWTH))) + _SPARE_BYTES
    )


def state_tail(job: object, result_indices: Iterable[Sequence[int]], redo_chunks: Sequence[int]) -> Iterator[str]:
    """Yield the text after the results, for :func:`state_text`."""
    yield "\n  ],\n" + "".join(f"  {_text(name)}: {_indented(getattr(job, name))},\n" for name in _TAIL)
    yield f"  {_text(RESULT_INDICES)}: ["
    yield from _joined((", ".join(map(str, page)) for page in result_indices), ", ")
    yield "]" + "".join(f",\n  {_text(name)}: {_indented(getattr(job, name) or {})}" for name in _LAST)
    yield f",\n  {_text(_REDO)}: {_text(list(redo_chunks))}\n}}\n"


def _joined(texts: Iterator[str], separator: str) -> Iterator[str]:
    first = next(texts, None)
    if first is not None:
        yield first
        for text in texts:
            yield separator + text


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2).replace("\n", "\n  ")


# -- reading a part


class Glance(NamedTuple):
    """The facts of a state file of this layout, without its results."""

    job_id: str
    status: object
    completed_chunks: int
    updated_at: str
    """The field ``updated_at``; ``""`` if it was not found."""


class Head(NamedTuple):
    """The facts that stand before the results in a state file of this layout."""

    job_id: str
    file_name: str
    status: object
    indices: bytes
    """The text of the completed chunks between the brackets."""

    @property
    def completed_count(self) -> int:
        """The number of completed chunks."""
        return self.indices.count(b",") + bool(self.indices)

    def completed_chunks(self) -> set[int]:
        """Return the completed chunks, or raise ValueError if one of them is no number."""
        return set(json.loads(b"[%s]" % self.indices))


def read_head(lines: Iterable[bytes]) -> Head | None:
    """Return what the first :data:`HEAD_LINES` lines say; None where the text does not have this layout."""
    lines = iter(lines)
    fields = read_fields(lines)
    match = _COMPLETED_LINE.fullmatch(next(lines, b"").removesuffix(b"\n"))
    if fields is None or match is None:
        return None
    return Head(fields["job_id"], fields["file_name"], fields["status"], match["indices"].rstrip(b" "))


def read_fields(lines: Iterable[bytes]) -> dict[str, Any] | None:
    """Return the fields in the lines before the completed chunks; None where the text does not have this layout."""
    lines = iter(lines)
    if next(lines, b"") != b"{\n":
        return None
    try:
        fields = _read_fields(lines, HEAD)
    except ValueError:
        return None
    return fields if isinstance(fields["job_id"], str) and isinstance(fields["file_name"], str) else None


def passes_completed(parts: Iterable[bytes]) -> bool:
    """Take the parts of the line of the completed chunks; return whether it begins and ends like one of this layout."""
    begin = end = b""
    for part in parts:
        begin, end = begin or part, (end + part)[-len(_COMPLETED_END) :]
        if part.endswith(b"\n"):
            break
    return begin.startswith(_COMPLETED_BEGIN) and end == _COMPLETED_END


ENDS_WITH: Final = b"\n}\n"
"""The end of a text of this layout that was not cut off."""


def updated_at(end: bytes) -> str:
    """Return the last ``updated_at`` in the end of a text; ``""`` if it has none."""
    times = _UPDATED_AT.findall(end)
    return times[-1].decode("utf-8", "replace") if times else ""


def knows_chunks(content: bytes) -> bool:
    """Return whether a text of this layout has a completed chunk."""
    return _KNOWS_CHUNKS.search(content) is not None


def looks_like_state(start: bytes) -> bool:
    """Return whether a text begins like a state, even one that was cut off."""
    inside = start.lstrip(b"\xef\xbb\xbf \r\n\t")
    if not inside.startswith(b"{"):
        return False
    if b'"job_id"' in start:
        return True
    first = inside[1:].lstrip()
    begins = first.startswith(_BEGINS_WITH) or _BEGINS_WITH.startswith(first)
    return len(start) < _ID_BYTES_MAX and begins and not start.rstrip().endswith(b"}")


def lacks_id(start: bytes) -> bool:
    """Return whether a text begins like the state of a program that wrote no ``job_id``."""
    names = (b'"total_chunks"', b'"completed_chunks"')
    return start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and all(map(start.__contains__, names))


def is_kept_by_hand(start: bytes) -> bool:
    """Return whether a text begins like the state of a program that has no store: it has the first version, or none."""
    version = _VERSION.search(start)
    return looks_like_state(start) and (version is None or version[1] == RELEASED_VERSIONS[0].encode())


def _read_fields(lines: Iterator[bytes], names: Iterable[str]) -> dict[str, Any]:
    """Return these fields, one from each line, or raise ValueError if a field is missing."""
    fields: dict[str, Any] = {}
    for name in names:
        line = next(lines, b"").decode().strip().removesuffix(",")
        ((key, value),) = json.loads("{" + line + "}").items()
        if key != name:
            raise ValueError(name)
        fields[name] = value
    return fields
