"""Fork five children while a thread writes."""

from __future__ import annotations

import os
import threading

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
job = store.open_job("f", total_chunks=60)
job.complete(0, "before")
held = [store._context.storage.database.writer.connection, store._context.storage.database.reader.connection]
inherited = set(map(id, held))
stop = threading.Event()


def work():
    index = 1
    while not stop.is_set() and index < 30:
        job.complete(index, "parent")
        index += 1


thread = threading.Thread(target=work)
thread.start()
children = []
for number in range(5):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            job.complete(30 + number, f"child {number}")
            assert job.result(0) == "before"
            own = {
                id(one)
                for one in (
                    store._context.storage.database.writer.connection,
                    store._context.storage.database.reader.connection,
                )
            }
            assert not own & inherited, "the parent's connection was used"
            job.pause()
            store.close()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    children.append(pid)
thread.join()
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
job.complete(59, "after")
print(codes, sorted(job.items())[28:36], job.result(59))
store.close()
