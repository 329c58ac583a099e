"""A state as the columns of ``jobs``, and a record of a job as a state: the one list of the fields they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.model.codec import json_text
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.state.state import ProcessingState, in_utc
from checkpoint_store.model.store_file import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from checkpoint_store.storage.records.records import JobRecord


def metadata_text(metadata: Mapping[str, Any] | None) -> str | None:
    """Return what is stored of a job's metadata: nothing where it is empty."""
    return json_text.encode(dict(metadata), name="metadata") if metadata else None


def columns_of(state: ProcessingState) -> dict[str, Any]:
    """Return what a state says of its job, by the columns of ``jobs``."""
    return {
        "status": state.status.value,
        "file_name": state.file_name,
        "video_title": state.video_title or None,
        "model": state.model or None,
        "provider": state.provider or None,
        "total_chunks": state.total_chunks,
        "started_at": in_utc(state.started_at),
        "error_message": state.error_message,
        "config": json_text.encode(thaw(state.config), name="config"),
        "metadata": metadata_text(thaw(state.metadata)),
    }


def state_from(
    record: JobRecord,
    *,
    completed: Sequence[int],
    results: Sequence[Any],
    to_redo: Sequence[int],
    config: Mapping[str, Any] | None = None,
) -> ProcessingState:
    """Return a job as a state.

    Args:
        record: the job.
        completed: its completed chunks; those that have a result come first.
        results: the results of the first of them, in the same order.
        to_redo: the complete chunks that are to be done again, ascending.
        config: the config of the job, if it is at hand.
    """
    return ProcessingState(
        version=SCHEMA_VERSION,
        job_id=record.job_id,
        status=record.status,
        file_name=record.file_name,
        video_title=record.video_title,
        model=record.model,
        provider=record.provider,
        total_chunks=record.total_chunks,
        completed_chunks=completed,
        processed_results=results,
        started_at=record.started_at,
        updated_at=record.updated_at,
        error_message=record.error_message,
        config=record.config if config is None else config,
        metadata=record.metadata or {},
        result_indices=completed[: len(results)],
        redo_chunks=to_redo,
    )
