"""A backup that is older than the store: a restore says which paid results it leaves behind, and they come back."""

from __future__ import annotations

import logging
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, CheckpointStoreError, restore_store
from checkpoint_store.cli.app import run_command_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with 3 chunks of one job that its backup lacks, and a job that the backup lacks; a space in its name."""
    with CheckpointStore(tmp_path / "my talks.db") as store:
        job = store.open_job("talk.txt", total_chunks=6)
        job.complete_many((index, {"n": index}) for index in range(2))
        store.backup(tmp_path / "b.db")
        job.complete_many((index, {"n": index}) for index in range(2, 5))
        store.open_job("other.txt", total_chunks=2).complete(1, {"n": 1})
    return tmp_path / "my talks.db"


def test_a_restore_names_the_results_that_it_leaves_behind(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The warning of a restore has a command that brings the newer results back; nothing is paid for twice."""
    with pytest.warns(UserWarning, match="^4 chunks that the replaced store had completed are not in the") as caught:
        restore_store(path.with_name("b.db"), path)
    (warning,) = caught
    notice = str(warning.message)
    assert warning.filename == __file__
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert logged[-1] == notice
    with CheckpointStore(path, read_only=True) as store:
        assert store.job("talk.txt").progress().completed_chunks == 2
    line = shlex.split(notice.partition(": ")[2])
    assert run_command_line(line) == 0
    with CheckpointStore(path) as store:
        assert [index for index, _ in store.job("talk.txt").items()] == list(range(5))
        assert [index for index, _ in store.job("other.txt").items()] == [1]


@pytest.mark.slow
def test_a_restore_names_the_chunks_that_were_done_again_since(path: Path) -> None:
    """The backup has as many chunks, with earlier results: the warning has the command that brings the newer back."""
    with CheckpointStore(path) as store:
        store.delete_job(store.job("other.txt").job_id)
        store.backup(path.with_name("all.db"))
        job = store.job("talk.txt")
        job.redo([1, 3])
        job.complete_many((index, {"n": 10 * index}) for index in (1, 3))
    with pytest.warns(UserWarning, match="^2 chunks have a newer result in the replaced store than in the b") as caught:
        (replaced, *_) = restore_store(path.with_name("all.db"), path)
    with CheckpointStore(path) as store:
        assert store.merge(replaced).jobs[0].contradictions == (1, 3)
        assert store.job("talk.txt").result(3) == {"n": 3}
    line = shlex.split(str(caught[0].message).rpartition("store: ")[2])
    assert run_command_line(line) == 0, "the way back gives no warning: what is replaced now has the older results"
    with CheckpointStore(path) as store:
        assert [result["n"] for _, result in store.job("talk.txt").items()] == [0, 10, 2, 30, 4]


def test_a_restore_names_both_chunks_that_are_missing_and_chunks_that_were_done_again(path: Path) -> None:
    """Each has a line of its own, because ``merge`` brings only the missing chunks back."""
    with CheckpointStore(path) as store:
        job = store.job("talk.txt")
        job.redo([0])
        job.complete(0, {"n": "again"})
    with pytest.warns(UserWarning, match="^4 chunks that .* merge .*\\n1 chunk has a newer result .* restore "):
        restore_store(path.with_name("b.db"), path)


def test_where_that_warning_is_an_error_the_restore_is_done(path: Path) -> None:
    """The warning comes last: even as an error, it leaves the store and its state file as the backup has them."""
    with pytest.raises(UserWarning, match="4 chunks"):
        restore_store(path.with_name("b.db"), path)
    with CheckpointStore(path) as store:
        assert [index for index, _ in store.job("talk.txt").items()] == [0, 1]
    assert '"completed_chunks": [0, 1]' in path.with_suffix(".json").read_text(encoding="utf-8").replace("\n", "")


@pytest.mark.filterwarnings("default")
def test_the_command_shows_that_warning(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the warning of a restore on stderr, with the line to type."""
    assert run_command_line(["checkpoint-store", "restore", str(path.with_name("b.db")), "--store", str(path)]) == 0
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "4 chunks that the replaced store" in line]
    assert said.endswith(f"--store {shlex.quote(str(path))}")


@pytest.mark.slow_variants
@pytest.mark.parametrize("wreck", [b"", b"x" * 4096, None], ids=["empty", "no store", "torn"])
def test_a_store_that_does_not_read_is_restored_without_a_word(path: Path, wreck: bytes | None) -> None:
    """A restore over a store that cannot be read gives no warning: nobody knows what was in it."""
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2] if wreck is None else wreck)
    with suppress(CheckpointStoreError):
        restore_store(path.with_name("b.db"), path)
        with CheckpointStore(path) as store:
            assert store.job("talk.txt").progress().completed_chunks == 2


@pytest.mark.slow
def test_a_backup_that_has_everything_is_restored_without_a_word(path: Path) -> None:
    """Restoring a backup that has everything, or where there was no store, gives no warning."""
    with CheckpointStore(path) as store:
        store.backup(path.with_name("new.db"))
    restore_store(path.with_name("new.db"), path)
    restore_store(path.with_name("new.db"), path.with_name("none.db"))
