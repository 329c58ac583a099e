"""The line that goes on with a job that remembers its command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.cli.options import DEFAULT_STORE
from checkpoint_store.cli.paths import shell_words

if TYPE_CHECKING:
    from collections.abc import Mapping


def resume_line(job_id: str, store_path: str, *, failed: bool = False) -> str:
    """Return the command that does what is left of a job; with ``failed`` also what used up its tries."""
    more = [] if store_path == DEFAULT_STORE else ["--store", store_path]
    return shell_words(["checkpoint-store", "resume", job_id[:8], *(["--failed"] if failed else []), *more])


def resume_lines(job: Mapping[str, Any], store_path: str) -> list[str]:
    """Return what ``show`` says of going on: with what is left, and with what used up its tries, where that is so."""
    failed, left = job["failed_chunks"], job["total_chunks"] - job["completed_chunks"]
    go_on = f"go on with: {resume_line(job['job_id'], store_path)}"
    if not failed:
        return [go_on]
    again = resume_line(job["job_id"], store_path, failed=True)
    if failed == left:
        return [f"try again with: {again}"]  # to go on would pass over all that is left
    return [go_on, f"with the failed chunks, too: {again}"]
