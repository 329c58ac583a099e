"""How an input differs from its earlier job: in a setting, in the text, or in the places where the text is cut.

A store has no text, only digests of chunks. So the input is cut once more with the settings of the earlier job: if the
digests agree then, the text is as it was.
"""

from __future__ import annotations

import ast
import dataclasses
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import CheckpointStoreError
from checkpoint_store.cli.paths import STANDARD
from checkpoint_store.cli.run.request import cuts_files
from checkpoint_store.cli.screen import chunk_count
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.split import UnknownTokenizerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store import CheckpointStore
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.request import Request
    from checkpoint_store.errors import Difference, PlanChanged

READER_FIELD: Final = "config.reader"
"""How the text of a file was read: the format and the version of its reader."""
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


def _chunk_change(
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


def changes(
    request: Request, source: Input, store: CheckpointStore, store_path: Path, differences: Sequence[Difference]
) -> list[str]:
    """Return the differences between the plan of an input and that of its earlier job, a text for each."""
    fields = {difference.field: _change(difference) for difference in differences}
    if any(map(_is_other_worker, differences)):  # the chunks have another form now: their digests tell nothing
        fields.pop("chunks", None)
    if "chunks" in fields:  # people cannot read a digest
        fields["chunks"] = _chunk_change(request, source, store, store_path, differences)
    return list(fields.values())


def _is_other_worker(difference: Difference) -> bool:
    """Whether COMMAND did the work of one plan, and the built-in cleaner did the work of the other."""
    return difference.field == "config.cleaner" and difference.old.startswith("[") != difference.new.startswith("[")


def _change(difference: Difference) -> str:
    if difference.field != READER_FIELD:
        return str(difference)
    known, _, version = difference.old.strip("'").rpartition(" ")
    kind, _, new_version = difference.new.strip("'").rpartition(" ")
    if not known:
        return f"the file was read as plain text, and is read as {difference.new} now; --plain-text reads it as before"
    if known != kind or version > new_version:
        return f"the file was read as {difference.old}, and is read as {difference.new if kind else 'plain text'} now"
    return f"this version reads the file better (reader {difference.new}, before {difference.old})"


def plan_changed(
    error: PlanChanged, request: Request, source: Input, store: CheckpointStore, *, line: str | None, grown: int | None
) -> str:
    """Return the message for a changed plan: the differences, and the choices that the command has.

    ``line`` is the ``run`` line that has these options, where the command in use lacks them. ``grown`` results are kept
    if the job grows; None if it cannot grow.
    """
    changed = "".join(f"\n  {change}" for change in changes(request, source, store, store.path, error.differences))
    if grown is not None:
        changed += f"\n  --on-change extend   lets the job grow, and keeps the results of {chunk_count(grown)}"
    reusable, nothing = error.reusable_results, "finds no result to keep"
    reuse = f"keeps the results of {chunk_count(reusable)} whose text is as it was" if reusable else nothing
    for names, kept in error.choices:  # each on a line of its own, ready to be typed
        options = " ".join(f"--reuse-ignoring {shlex.quote(name)}" for name in names if name != READER_FIELD)
        reuse += f"\n  --on-change reuse {options}\n{'':23}keeps {kept:,}, made with other settings"
    reuse += f", {error.kept_by_place:,} of them by the place of the chunk" if error.kept_by_place else ""
    where = " Write the option before the --." if request.command and line is None else ""
    return (
        f"the job {error.job_id[:8]} was made for something else:{changed}\n"
        f"  --on-change reuse    {reuse}\n"
        "  --on-change restart  does all chunks\n"
        f"reuse and restart begin a new job; the earlier job stays. Nothing was done.{where}"
        + (f"\n--on-change is an option of run: {line}" if line else "")
    )
