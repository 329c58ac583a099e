"""How the chunks of an input differ from those of its earlier job: in the text, or in the places where it is cut.

A store has no text, only digests of chunks. So the input is cut once more with the settings of the earlier job: if the
digests agree then, the text is as it was.
"""

from __future__ import annotations

import ast
import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import CheckpointStoreError
from checkpoint_store.cli.paths import STANDARD
from checkpoint_store.cli.run.report import READER_FIELD
from checkpoint_store.cli.run.request import cuts_files
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.split import UnknownTokenizerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store import CheckpointStore
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.request import Request
    from checkpoint_store.errors import Difference

_OVERLAP: Final = "config.overlap"
_CUT_DEFAULTS: Final[dict[str, Any]] = {
    "config.split": "text",
    "config.chunk_size": None,
    _OVERLAP: None,
    "config.unit": "characters",
    "config.tokenizer": None,
}
"""The settings that say where a text is cut, each with its value where a config lacks it; None: the value of now."""
_OF_CLEANER: Final = frozenset({"config.language", "config.cleaner"})
"""Settings by which the built-in cleaner makes other chunks of the same text."""


def chunk_change(
    request: Request, source: Input, store: CheckpointStore, store_path: Path, differences: Sequence[Difference]
) -> str:
    """Return in words why the chunks of an input differ from those of its earlier job, as far as that can be known."""
    fields = {difference.field for difference in differences}
    cut = fields & _CUT_DEFAULTS.keys()
    shaping = fields & {READER_FIELD, *(() if request.command else _OF_CLEANER)}
    if not cut:
        return "the text, or what these settings make of it" if shaping else "the text"
    what = "the context before each chunk" if cut == {_OVERLAP} else "where the text is cut"
    is_same = None if shaping else _is_text_same(request, source, store, store_path, differences)
    return what if is_same else f"the text, {'or' if is_same is None else 'and'} {what}"


def kept_by_growing(
    request: Request, source: Input, store: CheckpointStore, store_path: Path, differences: Sequence[Difference]
) -> int | None:
    """Return how many results the earlier job of an input keeps if it grows; None if it cannot grow."""
    if not {difference.field for difference in differences} <= {"total_chunks", "chunks"}:
        return None
    with suppress(CheckpointStoreError):
        run_plan = request.plan_of(source, store, store_path, on_change="extend")
        return run_plan.kept if run_plan.action == "extend" else None
    return None


def _is_text_same(
    request: Request, source: Input, store: CheckpointStore, store_path: Path, differences: Sequence[Difference]
) -> bool | None:
    """Return whether the input, cut as for the earlier job, has the chunks of that job; None if that is unknown."""
    if source.path == STANDARD:  # it is read already
        return None
    earlier = {
        difference.field.removeprefix("config."): _value(difference)
        for difference in differences
        if difference.field in _CUT_DEFAULTS
    }
    kept = {name: value for name, value in earlier.items() if value is not None or name == "tokenizer"}
    before = dataclasses.replace(request, **kept)
    if not cuts_files(dataclasses.asdict(before)):  # the job of a program
        return None
    with suppress(CheckpointStoreError, UnreadableTranscriptError, UnknownTokenizerError, OSError):
        cut = dataclasses.replace(source, content=before.read(source.path))
        run_plan = before.plan_of(cut, store, store_path, on_change="refuse")
        return all(difference.field != "chunks" for difference in run_plan.differences)
    return None


def _value(difference: Difference) -> Any:
    try:
        return ast.literal_eval(difference.old)
    except (ValueError, SyntaxError):  # an absent key
        return _CUT_DEFAULTS[difference.field]
