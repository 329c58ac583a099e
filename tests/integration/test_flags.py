"""Arguments that are True or False: a text is refused, because Python takes "no" for True."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, InvalidArgumentError, Job, datasette_metadata, recover_store, report

if TYPE_CHECKING:
    from collections.abc import Callable

NO_FLAGS = ["no", "0", "", None, 2, [False]]
CHUNKS = ["one", "two"]


def opened(name: str) -> Callable[[CheckpointStore, Any], object]:
    return lambda store, value: store.open_job("talk.srt", chunks=CHUNKS, **{name: value})


def looped(name: str) -> Callable[[CheckpointStore, Any], object]:
    return lambda store, value: store.map(str.upper, CHUNKS, file_name="talk.srt", **{name: value})


USES: dict[str, list[Callable[[CheckpointStore, Any], object]]] = {
    "fresh": [opened("fresh"), looped("fresh"), lambda store, no: store.plan("talk.srt", chunks=CHUNKS, fresh=no)],
    "exclusive": [opened("exclusive"), looped("exclusive")],
    "sequential": [opened("sequential"), looped("sequential")],
    "ordered": [looped("ordered"), lambda store, no: store.job("talk.srt").amap(str.upper, ordered=no)],
    "progress": [looped("progress")],
    "wait": [lambda store, no: list(store.job("talk.srt").pending(wait=no))],
    "carried": [lambda store, no: store.job("talk.srt").totals("cost", carried=no)],
    "dry_run": [lambda store, no: store.prune(keep_last=0, dry_run=no)],
    "migrate": [lambda store, no: CheckpointStore(store.path.with_name("other.db"), migrate=no)],
    "read_only": [lambda store, no: CheckpointStore(store.path, read_only=no)],
    "private": [lambda store, no: datasette_metadata(store.path, private=no)],
    "accept_loss": [lambda store, no: recover_store(store.path, accept_loss=no)],
    "replace": [
        lambda store, no: store.job("talk.srt").complete(0, "another result", replace=no),
        lambda store, no: next(store.job("talk.srt").pending()).complete("another result", replace=no),
        lambda store, no: store.job("talk.srt").export(store.path.with_name("notes.txt"), replace=no),
        lambda store, no: store.backup(store.path.with_name("notes.txt"), replace=no),
        lambda store, no: report.write(store, store.path.with_name("notes.html"), replace=no),
        lambda store, no: report.follow(store, store.path.with_name("notes.html"), replace=no),
    ],
}


def written(store: CheckpointStore) -> Job:
    job = store.open_job("talk.srt", chunks=CHUNKS)
    job.complete(0, {"text": "paid for", "cost": 1})
    for name in ("notes.txt", "notes.html"):
        store.path.with_name(name).write_text("of somebody else")
    return job


@each_case(("name", "use"), [(name, use) for name, uses in USES.items() for use in uses])
def test_what_is_neither_true_nor_false_is_refused(
    store: CheckpointStore, name: str, use: Callable[[CheckpointStore, Any], object]
) -> None:
    """A switch from an environment variable ("0", "no") never begins anew, replaces or deletes; the error names it."""
    job = written(store)
    for value in NO_FLAGS:
        with pytest.raises(InvalidArgumentError, match=rf"^{name}={re.escape(repr(value))} is neither True nor False$"):
            use(store, value)
    assert [each.job_id for each in store.jobs()] == [job.job_id]
    assert list(job.items()) == [(0, {"text": "paid for", "cost": 1})]
    assert {path.read_text() for path in store.path.parent.glob("notes.*")} == {"of somebody else"}


def test_the_bools_of_numpy_and_of_counting_are_taken(store: CheckpointStore) -> None:
    """A comparison of an array gives a bool of numpy, and 0 and 1 equal False and True."""
    numpy = pytest.importorskip("numpy")
    job = written(store)
    job.complete(0, "another result", replace=numpy.bool_(True))
    assert store.prune(keep_last=0, dry_run=1).dry_run  # type: ignore[arg-type]
    assert store.open_job("talk.srt", chunks=CHUNKS, fresh=numpy.bool_(False)).result(0) == "another result"
