"""Record a chunk with a manager that is never closed, while its file is not due."""

from __future__ import annotations

from checkpoint_store import ProcessingState, StateManager
from checkpoint_store.state_file import pace

pace._WRITING_CREDIT_SECONDS = -1e9
manager = StateManager("state.json")
manager.save(ProcessingState(file_name="f", total_chunks=3, job_id="job-1"))
manager.update_chunk_complete(0, "x")
