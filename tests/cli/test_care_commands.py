"""The commands that look after a store."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, migration_status

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 8192


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with 30 completed chunks, its state file and one automatic backup."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as opened, opened.open_job("talk.txt", chunks=[f"{n}" for n in range(40)]) as job:
        job.complete_many((index, {"cleaned_text": f"{index} " * 400}) for index in range(30))
    return path


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "checkpoint_store", *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_backup_that_has_no_folder_is_not_told_to_name_another_store(store: Path) -> None:
    """The store is well: what has to be named otherwise is the copy."""
    refused = command("backup", store.parent / "none" / "copy.db", "--store", store)
    assert (refused.returncode, "cannot be used for a backup" in refused.stderr) == (2, True)
    assert "--store" not in refused.stderr


@pytest.mark.slow
def test_a_backup_does_not_go_to_a_file_whose_name_is_a_dash(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` means standard output to other commands, which cannot take a backup: the message says so."""
    monkeypatch.chdir(store.parent)
    refused = command("backup", "-", "--store", store)
    assert (refused.returncode, refused.stdout, "- is no file; name one." in refused.stderr) == (2, "", True)
    assert not (store.parent / "-").exists()


def test_a_backup_of_damaged_results_is_not_called_verified(store: Path) -> None:
    """The digest of each result is checked, and the message names the command that shows the problems."""
    with closing(sqlite3.connect(store)) as driver:
        driver.execute("UPDATE chunk_results SET result = replace(result, 'cleaned', 'cLeaned') WHERE chunk_index = 3")
        driver.commit()
    made = command("backup", store.parent / "copy.db", "--store", store)
    assert made.returncode == 0
    assert "damaged in part, as the store is" in made.stderr
    assert f"checkpoint-store check --store {store}" in made.stderr
    assert "verified" not in made.stderr


def damage(path: Path) -> None:
    """Overwrite the page on which chunk 20 has its result."""
    page = path.read_bytes().index(b'"cleaned_text": "20 ') // PAGE
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(os.urandom(PAGE))


def remove_copies(path: Path) -> None:
    for copy in path.parent.iterdir():
        if copy.suffix in (".json", ".bak") or ".backup-" in copy.name:
            copy.unlink()


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.slow
def test_check_says_by_its_exit_code_whether_a_store_is_sound_and_writes_nothing(store: Path) -> None:
    """Exit 0 for a sound store, 1 for a damaged one; every file beside it stays as it was."""
    before = snapshot(store.parent)
    assert command("check", "--store", store).returncode == 0
    assert snapshot(store.parent) == before
    damage(store)
    before = snapshot(store.parent)
    found = command("check", "--store", store, "--json")
    assert (found.returncode, json.loads(found.stdout)["sound"]) == (1, False)
    assert snapshot(store.parent) == before


@pytest.mark.slow
def test_doctor_says_what_is_well_and_what_is_not_and_writes_nothing(store: Path) -> None:
    """Each line is ok, a warning or a problem with its remedy; a damaged store is a problem."""
    before = snapshot(store.parent)
    found = command("doctor", "--store", store, "--json")
    levels = {line["level"] for line in json.loads(found.stdout) if line["what"] != "file system"}  # maybe in memory
    assert (found.returncode, levels) == (0, {"ok"})
    damage(store)
    before = snapshot(store.parent)
    found = command("doctor", "--store", store)
    assert found.returncode == 1
    assert f"checkpoint-store recover --store {store}" in found.stdout
    assert snapshot(store.parent) == before


@pytest.mark.slow
def test_a_backup_restores_what_was_there_and_moves_aside_what_is(store: Path, tmp_path: Path) -> None:
    """After restore the store is as it was at the backup; the file that it replaced is kept."""
    assert command("backup", tmp_path / "kept.sqlite", "--store", store).returncode == 0
    assert (tmp_path / "kept.sqlite").stat().st_mode & 0o777 == 0o600
    with CheckpointStore(store) as opened:
        opened.latest_job().complete(35, "later")
    done = command("restore", tmp_path / "kept.sqlite", "--store", store, "--json")
    assert done.returncode == 0
    assert any(".replaced-" in path for path in json.loads(done.stdout)["moved_aside"])
    with CheckpointStore(store) as opened:
        assert [index for index, _ in opened.latest_job().items()] == list(range(30))


@pytest.mark.slow
def test_prune_names_the_merge_that_takes_a_replaced_store_in(store: Path, tmp_path: Path) -> None:
    """Before a replaced store is deleted, ``prune`` says how the results come back that only that store has."""
    command("backup", tmp_path / "kept.sqlite", "--store", store)
    with CheckpointStore(store) as opened:
        opened.latest_job().complete(35, "later")
    done = command("restore", tmp_path / "kept.sqlite", "--store", store, "--json")
    aside = json.loads(done.stdout)["moved_aside"][0]
    assert f"to take them in first: checkpoint-store merge {aside} --store {store}\n" in (
        command("prune", "--store", store).stderr
    )
    assert command("merge", aside, "--store", store).returncode == 0
    with CheckpointStore(store) as opened:
        assert opened.latest_job().result(35) == "later"
    assert "to take them in" not in command("prune", "--yes", "--store", store).stderr


@pytest.mark.slow
def test_recover_stops_before_a_loss_and_goes_on_when_it_is_accepted(store: Path) -> None:
    """Without --accept-loss nothing changes and the command to accept it is printed; with it the rest comes back."""
    remove_copies(store)
    damage(store)
    before = {path.name for path in store.parent.iterdir()}
    refused = command("recover", "--store", store)
    assert refused.returncode == 2
    assert f"checkpoint-store recover --accept-loss --store {store}" in refused.stderr
    assert {path.name for path in store.parent.iterdir()} - {"talks.lock"} == before - {"talks.lock"}
    accepted = command("recover", "--accept-loss", "--store", store, "--json")
    report = json.loads(accepted.stdout)
    assert accepted.returncode == 1
    assert report["jobs"][0]["recovered_chunks"] + report["jobs"][0]["lost_chunks"] == 30
    assert command("check", "--store", store).returncode == 0


@pytest.mark.slow
def test_migrate_goes_to_the_schema_that_is_named(store: Path) -> None:
    """Back to an older one where nothing is lost, which is success, and stays there; a wrong --to names what there is."""
    assert "from schema 1.5 to 1.0" in command("migrate", "--to", "1.0", "--store", store).stderr
    again = command("migrate", "--to", "1.0", "--store", store)
    assert (again.returncode, migration_status(store).current) == (0, "1.0")
    assert command("migrate", "--check", "--store", store).returncode == 1
    doctor = command("doctor", "--store", store)
    assert (doctor.returncode, f"checkpoint-store migrate --store {store}" in doctor.stdout) == (0, True)
    wrong = command("migrate", "--to", "0.9", "--store", store)
    assert wrong.returncode == 2
    assert "1.0, 1.1, 1.2, 1.3, 1.4, 1.5" in wrong.stderr
    assert "from schema 1.0 to 1.5" in command("migrate", "--store", store).stderr


RUNNER = program(__file__, "hold_a_chunk")


@pytest.mark.slow
def test_doctor_names_the_runners_at_work_and_what_dead_ones_left(store: Path) -> None:
    """A living runner's lock is no stray, and stays; a dead one's is said to be swept by the next open, which does it."""
    with subprocess.Popen(
        [sys.executable, str(RUNNER), store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "ready\n"
        found = {line["what"]: line for line in json.loads(command("doctor", "--store", store, "--json").stdout)}
        assert f"process {runner.pid} on " in found["runner"]["says"]
        assert "(talk.txt), since 20" in found["runner"]["says"]
        assert {found[what]["level"] for what in ("runner", "left-over files")} == {"ok"}
        assert "runner locks" not in found
        runner.kill()
    before = snapshot(store.parent)
    found = {line["what"]: line for line in json.loads(command("doctor", "--store", store, "--json").stdout)}
    assert snapshot(store.parent) == before
    assert found["runners"]["says"] == "none is at work"
    assert (found["runner locks"]["level"], found["left-over files"]["says"]) == ("warning", "none")
    assert "the next open sweeps" in found["runner locks"]["remedy"]
    CheckpointStore(store).close()
    assert not [name for name in snapshot(store.parent) if ".runner-" in name]
