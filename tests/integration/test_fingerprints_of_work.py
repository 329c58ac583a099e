"""A result is recorded under the content that its work began with, whatever becomes of that content meanwhile."""

from __future__ import annotations

import threading
from collections import UserList
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, Job, current_attempt


def content(name: str) -> str:
    """Identify a file by its content, as the FAQ recommends for large inputs."""
    return Path(name).read_text()


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    files = [tmp_path / f"{index}.txt" for index in range(3)]
    for file in files:
        file.write_text(f"text {file.stem}")
    return [str(file) for file in files]


class Lines(Sequence[str]):
    """The lines of a file, read at each access."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return self._file.read_text().splitlines()[index]


def move(name: str) -> dict[str, Any]:
    """Do the work on a file, and move it away."""
    text = content(name)
    Path(name).rename(f"{name}.done")
    return {"text": text.upper()}


@pytest.mark.parametrize("workers", [1, 3])
def test_work_may_move_the_file_that_its_chunk_names(store: CheckpointStore, names: list[str], workers: int) -> None:
    """The answers are paid for: none is lost because a file is no longer where it was."""
    job = store.open_job("talk.srt", chunks=names, fingerprint=content)
    assert len(list(job.map(move, workers=workers))) == 3
    assert [result["text"] for result in job.results()] == ["TEXT 0", "TEXT 1", "TEXT 2"]


def test_an_edit_during_the_work_is_not_answered_by_the_result_of_before(
    store: CheckpointStore, names: list[str]
) -> None:
    """A person corrected the file while the service had the old text."""

    def work(name: str) -> str:
        before = content(name)
        Path(name).write_text(f"corrected {before}")
        return before

    list(store.open_job("talk.srt", chunks=names, fingerprint=content).map(work))
    edited = store.open_job("talk.srt", chunks=names, fingerprint=content, on_change="reuse")
    assert list(edited.items()) == []
    for name in names:
        Path(name).write_text(content(name).removeprefix("corrected "))
    assert store.open_job("talk.srt", chunks=names, fingerprint=content).progress().completed_chunks == 3


@pytest.mark.slow_variants
@pytest.mark.parametrize("sequential", [False, True])
def test_an_edit_between_two_tries_counts(store: CheckpointStore, names: list[str], *, sequential: bool) -> None:
    """The second try read the corrected file: its result is that of the corrected file."""

    def work(name: str) -> str:
        if current_attempt().number == 1:
            Path(name).write_text(f"corrected {content(name)}")
            raise ConnectionError
        return content(name)

    plan: dict[str, Any] = {"chunks": names[:2], "fingerprint": content, "sequential": sequential}
    list(store.open_job("talk.srt", **plan).map(work, wait=0.0))
    again = store.open_job("talk.srt", **plan, on_change="reuse")
    assert list(again.results()) == ["corrected text 0", "corrected text 1"]


def test_a_try_may_find_the_file_moved_by_the_try_before(store: CheckpointStore, names: list[str]) -> None:
    """Work that picks up what it had begun is not stopped because the file cannot be identified once more."""

    def work(name: str) -> str:
        if current_attempt().number == 1:
            move(name)
            raise ConnectionError
        return content(f"{name}.done")

    job = store.open_job("talk.srt", chunks=names, fingerprint=content)
    assert len(list(job.map(work, wait=0.0))) == 3


def test_a_sequence_that_reads_its_chunks_may_lose_its_file_meanwhile(store: CheckpointStore, tmp_path: Path) -> None:
    """What the last call answered is recorded, though the text of its chunk cannot be read any more."""
    file = tmp_path / "lines.txt"
    file.write_text("a\nb\n")

    def work(text: str) -> str:
        if text == "b":
            file.unlink()
        return text.upper()

    job = store.open_job("talk.srt", chunks=Lines(file))
    list(job.map(work))
    assert list(job.results()) == ["A", "B"]


def test_work_may_change_its_own_chunk_and_fail(store: CheckpointStore) -> None:
    """The result of the next try is that of the chunk as its caller gave it, and is not paid for again."""

    def chunks(*texts: str) -> list[dict[str, Any]]:
        return [{"text": text} for text in texts]

    def work(chunk: dict[str, Any]) -> str:
        chunk["tries"] = current_attempt().number
        if chunk["tries"] == 1:
            raise ConnectionError
        return str(chunk["text"])

    list(store.open_job("talk.srt", chunks=chunks("a", "b")).map(work, wait=0.0))
    longer = store.open_job("talk.srt", chunks=chunks("a", "b", "c"), on_change="reuse")
    assert list(longer.items()) == [(0, "a"), (1, "b")]


def timed_out(job: Job, work: Any, pool: ThreadPoolExecutor) -> None:
    with pytest.raises(TimeoutError):
        list(job.map(work, executor=pool, timeout_seconds=0.05, retry_on=()))


def test_a_late_answer_is_recorded_though_the_file_of_its_chunk_is_moved(
    store: CheckpointStore, names: list[str]
) -> None:
    """A late answer is recorded after its loop has ended, though the file of its chunk was moved meanwhile."""
    may_answer = threading.Event()

    def work(name: str) -> Any:
        assert may_answer.wait(60)
        return move(name)

    job = store.open_job("talk.srt", chunks=names[:1], fingerprint=content)
    with ThreadPoolExecutor(1) as pool:
        timed_out(job, work, pool)
        may_answer.set()
    wait_until(lambda: job.progress().completed_chunks == 1)


def test_a_late_answer_that_comes_after_another_one_is_kept_though_its_file_is_moved(
    store: CheckpointStore, names: list[str]
) -> None:
    """The cost of a late answer to a chunk that was completed by hand counts, though the chunk's file was moved."""
    may_answer = threading.Event()

    def work(name: str) -> Any:
        assert may_answer.wait(60)
        return {**move(name), "cost": 0.5}

    job = store.open_job("talk.srt", chunks=names[:1], fingerprint=content)
    with ThreadPoolExecutor(1) as pool:
        timed_out(job, work, pool)
        job.complete(0, {"text": "by hand"})
        may_answer.set()
    wait_until(lambda: job.costs().cost == 0.5)


def test_a_late_answer_is_that_of_the_text_that_its_own_try_read(store: CheckpointStore, names: list[str]) -> None:
    """A person corrected the file after the time-out, and the next try has the corrected text: the answer is not its own."""
    may_answer = threading.Event()

    def work(name: str) -> str:
        before = content(name)
        assert may_answer.wait(60)
        return before

    plan: dict[str, Any] = {"chunks": names[:1], "fingerprint": content}
    job = store.open_job("talk.srt", **plan)
    with ThreadPoolExecutor(1) as pool:
        timed_out(job, work, pool)
        Path(names[0]).write_text("corrected")
        job.retry_failed()
        (again,) = job.pending()
        may_answer.set()
        wait_until(lambda: job.progress().completed_chunks == 1)
    assert (job.result(0), again.data) == ("text 0", names[0])
    assert list(store.open_job("talk.srt", **plan, on_change="reuse").items()) == []
    Path(names[0]).write_text("text 0")
    assert store.open_job("talk.srt", **plan).result(0) == "text 0"


def test_work_that_changes_its_own_chunks_is_paid_for_once(store: CheckpointStore) -> None:
    """Each chunk gets the answer before it as its context: every run begins with the same chunks, and goes on."""
    paid: list[str] = []
    for _ in range(2):
        chunks = [{"text": text, "context": ""} for text in "abc"]
        for chunk in store.open_job("talk.srt", chunks=chunks).pending():
            paid.append(chunk.data["text"])
            chunk.complete(chunk.data["text"].upper())
            for other in chunks[chunk.index + 1 : chunk.index + 2]:
                other["context"] = chunk.data["text"]
    assert paid == ["a", "b", "c"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("kind", [list, UserList])
def test_a_chunk_that_is_replaced_meanwhile_was_done_with_the_text_of_before(
    store: CheckpointStore, kind: Any, *, sequential: bool, by_number: bool
) -> None:
    """The caller puts a corrected text into the list while a service has the old one."""
    plan: dict[str, Any] = {"sequential": sequential}
    chunks = kind(["a", "b"])
    job = store.open_job("talk.srt", chunks=chunks, **plan)
    for chunk in job.pending():
        chunks[chunk.index] = "corrected"
        if by_number:
            job.complete(chunk.index, chunk.data.upper())
        else:
            chunk.complete(chunk.data.upper())
    assert list(store.open_job("talk.srt", chunks=["corrected", "b"], **plan, on_change="reuse").items()) == (
        [] if sequential else [(1, "B")]
    )
    assert list(store.open_job("talk.srt", chunks=["a", "b", "c"], **plan, on_change="reuse").items()) == [
        (0, "A"),
        (1, "B"),
    ]
