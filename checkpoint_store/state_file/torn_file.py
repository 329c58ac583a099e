"""A torn state file beside the sound state file from before it: the results that only the torn file has."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.errors import StateFormatError
from checkpoint_store.model.state.torn_state import read_torn

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.model.state.state import ProcessingState


class Completed(NamedTuple):
    """A state, completed from a torn file of the same job."""

    state: ProcessingState
    added: list[int]
    """The chunks whose results come from the torn file."""
    behind: list[int]
    """The chunks that the torn file calls completed, and whose results cannot be read."""


def completed_from(torn_file: Path, state: ProcessingState) -> Completed:
    """Return a state with the results in a torn file of chunks that it lacks. Those that it has stay as they are."""
    torn = None
    with suppress(OSError):
        torn = read_torn(torn_file.read_bytes())
    if torn is None or torn.fields["job_id"] != state.job_id:
        return Completed(state, [], [])
    named = [index for index in torn.completed_chunks if index < state.total_chunks]
    missing = set(named).difference(state.completed_chunks)
    whole = {index: result for index, result in torn.results if index in missing}
    behind = sorted(missing.difference(whole))
    try:
        filled = state.replace(
            completed_chunks=[*state.completed_chunks, *whole],
            processed_results=[*state.processed_results, *whole.values()],
        )
        filled.results()
    except StateFormatError:  # what the state says of its own results leaves open which chunk they belong to
        return Completed(state, [], sorted(missing))
    return Completed(filled, sorted(whole), behind)
