"""Fork at one job, begin another, and let the child complete a chunk of that one."""

from __future__ import annotations

import os

from checkpoint_store import ProcessingState, StateManager

manager = StateManager("state.json")
manager.save(ProcessingState(job_id="one", file_name="a", total_chunks=2))
reading, writing = os.pipe()
child = os.fork()
if not child:
    os.read(reading, 1)
    manager.update_chunk_complete(1, "b")
    manager.close()
    os._exit(0)
manager.save(ProcessingState(job_id="two", file_name="a", total_chunks=2))
os.write(writing, b"x")
assert os.waitpid(child, 0)[1] == 0
print(manager.load().job_id, dict(manager.load().results()))
manager.close()
