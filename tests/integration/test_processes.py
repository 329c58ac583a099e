"""Many processes and threads on one store file, and a fork in mid-work."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

OPEN = program(__file__, "open_new")


def open_together(children: Children, count: int, times: int) -> None:
    """So many processes open a store that does not exist, at the same moment, ``times`` times."""
    processes = children.at_the_gate(count, OPEN, times)
    for _ in range(times):
        children.pass_gate(processes)
        printed = {children.next_line(process) for process in processes}
        assert len(printed) == 1
    children.pass_gate(processes)
    for process in processes:
        children.finish(process)


@pytest.mark.slow
@pytest.mark.migrates
def test_processes_open_a_new_store_at_once(children: Children) -> None:
    """Processes that open a new store at the same moment get one job with every chunk, and no error."""
    open_together(children, 8, 4)


@pytest.mark.storm
@pytest.mark.migrates
def test_eight_processes_open_a_new_store_at_once_twenty_times(children: Children) -> None:
    """Eight processes open a new store at the same moment, twenty times."""
    open_together(children, 8, 20)


@pytest.mark.slow
@pytest.mark.migrates
def test_threads_of_one_process_open_a_new_store_at_once(children: Children, tmp_path: Path) -> None:
    """Threads that open new stores at once, with a store object each, get working stores."""
    assert children.run(program(__file__, "open_in_threads")) == "[]\n8 1\n"


WRITE = program(__file__, "write_all")


@pytest.mark.slow
def test_processes_and_threads_write_the_same_chunks(children: Children, open_store: Opener, tmp_path: Path) -> None:
    """Every chunk is complete once, with its result, and the job knows how many."""
    assert children.together(4, WRITE) == ["[]\n"] * 4
    job = open_store().latest_job()
    assert job is not None
    assert dict(job.items()) == {index: {"n": index} for index in range(100)}
    assert (job.progress().completed_chunks, job.status) == (100, "completed")
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


RIVALS = program(__file__, "rivals")


def test_rivals_for_a_chunk_have_one_winner(children: Children, open_store: Opener) -> None:
    """Four processes offer different results for the same chunks: who was acknowledged is who is stored."""
    won = [json.loads(printed) for printed in children.together(4, RIVALS)]
    job = open_store().latest_job()
    assert job is not None
    assert sorted(index for part in won for index in part) == list(range(100))
    assert {index: result["by"] for index, result in job.items()} == {
        index: number for number, part in enumerate(won) for index in part
    }


FORK = program(__file__, "fork_five_children")


def test_a_fork_in_mid_work_has_connections_of_its_own(children: Children, open_store: Opener, tmp_path: Path) -> None:
    """Parent, its thread and five children write; nobody uses or closes another's connection, nobody waits for ever."""
    printed = children.run(FORK)
    assert printed.startswith("[0, 0, 0, 0, 0]")
    job = open_store().latest_job()
    assert job is not None
    expected = {0: "before", 59: "after", **dict.fromkeys(range(1, 30), "parent")}
    assert dict(job.items()) == expected | {30 + number: f"child {number}" for number in range(5)}
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


FORK_WHILE_WRITING_THE_STATE_FILE = program(__file__, "fork_while_exporting")


@pytest.mark.slow
def test_a_fork_while_the_state_file_is_written_does_not_hang(children: Children) -> None:
    """A lock that a thread of the parent holds is free in the child, where that thread does not exist."""
    assert children.run(FORK_WHILE_WRITING_THE_STATE_FILE) == "0 child\n"
