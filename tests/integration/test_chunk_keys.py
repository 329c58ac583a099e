"""Chunks that are called by names or pages: ``chunks=`` takes a mapping; the index stays the order."""

from __future__ import annotations

import signal
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, ChunkOutOfRange, InvalidArgumentError, KeyNotFound, current_attempt
from checkpoint_store.maintenance import recover_store

from .claims_tools import CLAIM
from .open_job_tools import work_through

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children, Opener

PAGES = {1: "It was", 2: "a dark", 3: "night"}
FILES = {"b.txt": "one", "a.txt": "two", "sub/c.txt": "three"}


def keyed(_: object) -> Any:
    return current_attempt().key


def view(store: CheckpointStore, name: str) -> list[Any]:
    with closing(sqlite3.connect(store.path)) as raw:
        return raw.execute(f"SELECT chunk_index, key FROM {name} ORDER BY chunk_index").fetchall()


# -- in the work


@pytest.mark.parametrize("chunks", [PAGES, FILES], ids=["pages", "files"])
def test_a_chunk_says_its_key(store: CheckpointStore, chunks: dict[Any, str]) -> None:
    """``chunk.key`` is the key as it was given, a number as a number, in the order of the mapping."""
    job = store.open_job("book", chunks=chunks)
    seen = [(chunk.index, chunk.key, chunk.data) for chunk in job.pending()]
    assert seen == [(index, key, data) for index, (key, data) in enumerate(chunks.items())]
    assert [type(key) for _, key, _ in seen] == [type(key) for key in chunks]


def test_the_result_of_a_key(store: CheckpointStore, open_store: Opener) -> None:
    """``result_of`` takes the key that was given or its text, also in another process."""
    work_through(store.open_job("book", chunks=PAGES))
    job = open_store(read_only=True).job("book")
    assert job.result_of(2) == job.result_of("2") == {"text": "A DARK"}
    assert (job.keys(), job.key_of(0)) == ({0: 1, 1: 2, 2: 3}, 1)


@pytest.mark.parametrize("number", ["7", "-12"])
def test_a_key_in_quotes_is_no_other_key(store: CheckpointStore, number: str) -> None:
    """A key is stored in more quotes if it is a number in quotes, and each of these keys has its own result."""
    keys = [f'""{number}""', f'"{number}"', f'"""{number}"""', number]
    job = store.open_job("quotes", chunks=dict.fromkeys(keys, "the same text"))
    for chunk in job.pending():
        chunk.complete(chunk.key)
    assert [job.result_of(key) for key in keys] == keys


def test_all_results_by_their_keys(store: CheckpointStore) -> None:
    """The mapping that was given can be filled with what came of it."""
    job = store.open_job("folder", chunks=FILES)
    work_through(job)
    assert {key: job.result_of(key)["text"] for key in FILES} == {key: text.upper() for key, text in FILES.items()}
    assert {job.keys()[index]: result["text"] for index, result in job.items()} == {
        key: text.upper() for key, text in FILES.items()
    }


@each_case("wrong", ["c.txt", 4, None, 1.0, True, ("a.txt",)], ids=repr)
def test_an_unknown_key_is_named(store: CheckpointStore, wrong: Any) -> None:
    """Code that catches KeyError catches it."""
    job = store.open_job("folder", chunks=FILES)
    with pytest.raises(KeyNotFound) as refused:
        job.result_of(wrong)
    assert (refused.value.key, isinstance(refused.value, KeyError)) == (wrong, True)
    assert repr(wrong) in str(refused.value)


def test_a_job_without_keys_says_so(store: CheckpointStore) -> None:
    """The error says what to do about it."""
    job = store.open_job("f", chunks=["a", "b"])
    assert (job.keys(), job.key_of(1), next(iter(job.pending())).key) == ({}, None, None)
    with pytest.raises(KeyNotFound, match="indices only: open it with a mapping"):
        job.result_of(0)
    with pytest.raises(ChunkOutOfRange):
        job.key_of(2)


@pytest.mark.slow_variants
@pytest.mark.parametrize("where", ["thread", "process"])
def test_the_work_knows_its_key(store: CheckpointStore, where: str) -> None:
    """``current_attempt().key``, also in a worker process, and the item that a loop yields."""
    job = store.open_job("book", chunks=PAGES)
    make: dict[str, Callable[[], Any] | None] = {
        "thread": None,
        "process": lambda: ProcessPoolExecutor(1, mp_context=get_context("spawn")),
    }
    items = sorted(job.map(keyed, executor=make[where]), key=lambda item: item.index)
    assert [(item.result, item.key) for item in items] == [(1, 1), (2, 2), (3, 3)]


def test_a_runner_without_the_mapping_knows_the_keys(store: CheckpointStore, open_store: Opener) -> None:
    """Whoever opened the job with a mapping has named its chunks for all."""
    store.open_job("book", chunks=PAGES)
    by_list = open_store().open_job("book", chunks=list(PAGES.values()))
    assert [chunk.key for chunk in by_list.pending()] == [1, 2, 3]
    by_number = open_store().open_job("book", total_chunks=3)
    assert [item.result for item in by_number.map(keyed)] == [1, 2, 3]
    assert [chunk.key for chunk in open_store(read_only=True).job("book").pending()] == []


def test_a_mapping_in_store_map(store: CheckpointStore) -> None:
    """The results come as a list, in the order of the mapping."""
    assert store.map(str.upper, FILES, file_name="folder") == ["ONE", "TWO", "THREE"]


# -- what keys are not


def test_keys_are_no_part_of_the_plan(store: CheckpointStore) -> None:
    """A renamed page is the same chunk: the job goes on, and has the new names."""
    job = store.open_job("book", chunks=PAGES)
    work_through(job)
    renamed = store.open_job("book", chunks=dict(zip("xyz", PAGES.values(), strict=True)))
    assert (renamed.job_id, list(renamed.pending())) == (job.job_id, [])
    assert renamed.result_of("y") == {"text": "A DARK"}
    with pytest.raises(KeyNotFound):
        renamed.result_of(2)


def test_keys_that_change_places_are_kept_apart(store: CheckpointStore) -> None:
    """Two names that are swapped are swapped in one transaction."""
    store.open_job("f", chunks={"a": "same", "b": "same"})
    assert store.open_job("f", chunks={"b": "same", "a": "same"}).keys() == {0: "b", 1: "a"}


def test_keys_that_are_not_given_stay(store: CheckpointStore) -> None:
    """A list says nothing about names; fewer names than before leave none behind."""
    store.open_job("f", chunks=FILES)
    assert store.open_job("f", chunks=list(FILES.values())).keys() == dict(enumerate(FILES))


def test_a_job_grows_with_its_keys(store: CheckpointStore) -> None:
    """A folder that fills: each new file has its name, and the loop under way sees it."""
    job = store.open_job("folder", chunks={"a": "1"}, on_change="extend")
    loop = job.map(keyed)
    assert next(loop).result == "a"
    store.open_job("folder", chunks={"a": "1", "b": "2"}, on_change="extend")
    assert [(item.result, item.key) for item in loop] == [("b", "b")]
    assert job.keys() == {0: "a", 1: "b"}


def test_a_new_job_has_keys_of_its_own(store: CheckpointStore) -> None:
    """``reuse`` takes results by their chunks; what the new job calls them is its own."""
    work_through(store.open_job("f", chunks={"a": "1", "b": "2"}))
    reused = store.open_job("f", chunks={"new": "0", "then": "2"}, on_change="reuse")
    assert (reused.result_of("then"), reused.keys()) == ({"text": "2"}, {0: "new", 1: "then"})


def test_wrong_keys_change_nothing(store: CheckpointStore) -> None:
    """Two keys that read the same are refused before there is a job."""
    with pytest.raises(InvalidArgumentError, match="read the same"):
        store.open_job("f", chunks={1: "a", "1": "b"})
    assert store.jobs() == []


def test_an_empty_mapping_is_a_job_of_no_chunks(store: CheckpointStore) -> None:
    """An empty mapping, as of a folder that is still empty, is a job of no chunks."""
    assert store.open_job("f", chunks={}).status == "completed"


# -- where keys are seen


def test_views_and_records_name_the_key(children: Children, store: CheckpointStore, open_store: Opener) -> None:
    """Views and records name the key of each failed, doubtful and running chunk."""
    job = store.open_job("folder", chunks={"good.txt": "1", "bad.txt": "2", 3: "3", "4": "4"})
    for _ in range(3):
        job.fail_chunk(1, "no")
    in_hand = next(iter(open_store().job("folder").pending()))
    children.run(CLAIM, "folder", 1, "is killed", code=-signal.SIGKILL)
    open_store()  # which finds the runner dead
    assert [(record.chunk_index, record.key) for record in job.failed_chunks()] == [(1, "bad.txt")]
    assert [(record.chunk_index, record.key) for record in job.in_doubt_chunks()] == [(2, 3)]
    assert [(record.chunk_index, record.key) for record in job.running_chunks()] == [(0, "good.txt")]
    assert (view(store, "failed_chunks"), view(store, "in_doubt_chunks")) == ([(1, "bad.txt")], [(2, "3")])
    assert view(store, "running_now")[0] == (0, "good.txt")
    assert view(store, "chunk_keys")[-1] == (3, '"4"')
    in_hand.complete("done")


@pytest.mark.slow
def test_recovery_brings_keys_back(open_store: Opener, tmp_path: Path) -> None:
    """A recovery brings the keys of a lost store back from a backup."""
    with open_store() as store:
        job = store.open_job("folder", chunks=FILES)
        job.complete(0, "1")
        job.pause()
    (tmp_path / "talks.db").unlink()
    recover_store(tmp_path / "talks.db")
    store = open_store()
    assert (store.job("folder").keys(), store.check()) == (dict(enumerate(FILES)), [])


def test_a_deleted_job_leaves_no_key(store: CheckpointStore) -> None:
    """Names of files may be private."""
    job = store.open_job("folder", chunks=FILES)
    store.delete_job(job.job_id)
    assert view(store, "chunk_keys") == []


def test_events_have_the_key(store: CheckpointStore) -> None:
    """Who draws a screen shows the file, and not its number."""
    told = []
    job = store.open_job("book", chunks=PAGES)
    for _ in job.map(str.upper, on_event=lambda event: told.append((event.kind, event.key))):
        pass
    assert told == [(kind, page) for page in PAGES for kind in ("started", "completed")]
