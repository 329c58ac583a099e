"""Where in a job the chunks are that were tried and are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store import StoreDamaged
from checkpoint_store.cli.chunk_map import ranges_of
from checkpoint_store.cli.messages import spoken

if TYPE_CHECKING:
    from checkpoint_store import Job


def tried_ranges(job: Job) -> dict[str, Any]:
    """Return where the chunks are that were tried and are left, each in one state; or what is damaged of the tries."""
    try:
        failed = {record.chunk_index for record in job.failed_chunks()}
        in_doubt = {record.chunk_index for record in job.in_doubt_chunks()} - failed
        running = {record.chunk_index for record in job.running_chunks()}
        to_redo, damage = set(job.to_redo()), None
    except StoreDamaged as error:  # the rest of the page is sound, and is what its reader came for
        failed, in_doubt, running, to_redo, damage = set(), set(), set(), set(), spoken(str(error))
    return {
        "failed_ranges": ranges_of(failed),
        "in_doubt_ranges": ranges_of(in_doubt),
        "running_ranges": ranges_of(running),
        "redo_ranges": ranges_of(to_redo - failed - in_doubt - running),
        "damage": damage,
    }
