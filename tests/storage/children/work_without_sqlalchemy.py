"""Do ordinary work in the store of this folder, where SQLAlchemy and Alembic cannot be imported.

argv: the part of the work: library, manager, or command.
"""

from __future__ import annotations

import asyncio
import sys
import warnings

from checkpoint_store import CheckpointStore, JobStatus, PlanChanged, StateManager

CHUNKS = [f"text {index}" for index in range(8)]
MISSING = ("sqlalchemy", "alembic")


def answer(chunk):
    if chunk == "text 7":
        raise ValueError(chunk)
    return {"text": chunk, "cost": 0.5, "usage": {"cost": 0.25}}


async def answer_later(chunk):
    return answer(chunk)


async def map_later(job):
    return [item async for item in job.amap(answer_later, workers=2, on_error="record", max_attempts=1)]


def work_with_the_library():
    with CheckpointStore() as store:
        job = store.open_job("by hand.srt", chunks=CHUNKS, metadata={"owner": "me"})
        work_by_hand(job)
        loop(job)
        look_at(job)
        begin_jobs(store)
        look_at_the_store(store)
        store.prune(keep_last=1, dry_run=False)
        store.delete_job(job.job_id)


def work_by_hand(job):
    for chunk in job.pending():
        if chunk.index == 2:
            chunk.record_handle("batch 1")
        elif chunk.index == 3:
            chunk.fail("no answer", cost=0.25)
            break
        chunk.complete(answer(chunk.data))
    job.complete_many([(4, answer("text 4")), (5, answer("text 5"))])
    job.complete(4, {"text": "another", "cost": 1.0}, replace=True)
    job.pause()
    job.resume()
    job.redo([4])
    job.set_metadata({"owner": "you"})


def loop(job):
    for options in ({"max_cost": 100.0}, {"workers": 2, "cost": "usage.cost", "max_cost": 100.0}):
        for _ in job.map(answer, on_error="record", max_attempts=1, **options):
            pass
        job.retry_failed()
        job.redo([0, 1])
    asyncio.run(map_later(job))


def look_at(job):
    list(job.results(missing="skip"))
    list(job.items())
    list(job.attempts())
    list(job.completions())
    job.result(0)
    job.state()
    job.summary()
    job.totals("cost", "usage.cost")
    job.costs()
    job.export("state.json")
    job.progress()
    assert [chunk.chunk_index for chunk in job.failed_chunks()] == [7]


def begin_jobs(store):
    store.map(answer, CHUNKS[:7], file_name="whole.srt", on_change="reuse")
    store.open_job("grown.srt", chunks=CHUNKS[:2]).complete(0, {"text": "a"})
    store.open_job("grown.srt", chunks=CHUNKS, on_change="extend")
    try:
        store.open_job("grown.srt", chunks=CHUNKS, model="another")
    except PlanChanged:
        store.open_job("grown.srt", chunks=CHUNKS, model="another", on_change="reuse", reuse_ignoring=["model"])
    keyed = store.open_job("keyed.srt", chunks=dict(zip("abcdefgh", CHUNKS, strict=True)))
    keyed.complete(keyed.index_of("a"), {"text": "a"})
    keyed.result_of("a")
    with store.open_job("größe.srt", total_chunks=1) as job:
        job.complete(0, {"text": "a"})
    try:
        with store.open_job("broken.srt", total_chunks=1):
            raise ValueError
    except ValueError:
        store.open_job("broken.srt", total_chunks=1)


def look_at_the_store(store):
    store.jobs(status="completed")
    store.incomplete_jobs()
    store.latest_job()
    store.summaries()
    store.info()
    store.plan("whole.srt", chunks=CHUNKS)
    store.backup("copy.db")
    assert store.check() == []


def work_with_the_manager():
    with StateManager() as manager:
        state = manager.load()
        manager.update_chunk_complete(0, {"text": "a"})
        manager.set_status(JobStatus.PAUSED)
        manager.save(manager.load().replace(video_title="A talk"))
        assert manager.has_incomplete_job()
        manager.update_chunk_complete(1, {"text": "b"})
        manager.save(state.replace(job_id="00000000-0000-4000-8000-000000000000", file_name="other.srt"))
        manager.clear()


def work_with_the_command():
    from checkpoint_store.cli import main

    for line in ("list", "show", "chunks", "errors", "results", "export", "path", "pause", "retry", "check"):
        sys.argv = ["checkpoint-store", line]
        assert main() in (0, 1, 75), line


assert [name for name in MISSING if name in sys.modules] == []
sys.modules.update(dict.fromkeys(MISSING))  # type: ignore[arg-type]  # to import them is an error from here on
warnings.simplefilter("ignore")
{"library": work_with_the_library, "manager": work_with_the_manager, "command": work_with_the_command}[sys.argv[1]]()
