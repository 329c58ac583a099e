"""The room that a store and its copies take on the disk."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.errors import size_text
from checkpoint_store.maintenance import doctor
from checkpoint_store.storage.recovery import doctor as doctor_room

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz      "


def _result(index: int, size_bytes: int = 4200) -> dict[str, Any]:
    dice = random.Random(index)
    return {"cleaned_text": "".join(dice.choices(LETTERS, k=size_bytes - 40)), "cost": 0.002}


def _run(path: Path, file_name: str, count: int, upto: int | None = None) -> str:
    with CheckpointStore(path) as store, store.open_job(file_name, total_chunks=count) as job:
        job.complete_many((index, _result(index)) for index in range(job.progress().completed_chunks, upto or count))
        return job.job_id


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.mark.slow_variants
@pytest.mark.parametrize("size_bytes", [1024, 2048, 4200, 8192, 51200])
def test_results_take_little_more_than_their_bytes(tmp_path: Path, size_bytes: int) -> None:
    """Results of 1 KB to 50 KB take at most 1.35 times their JSON text in the store file."""
    results = [_result(index, size_bytes) for index in range(2_000_000 // size_bytes)]
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        store.open_job("talk.srt", total_chunks=len(results) + 1).complete_many(enumerate(results))
    assert (tmp_path / "talks.db").stat().st_size / sum(len(json.dumps(result)) for result in results) < 1.35


@pytest.mark.slow
def test_opening_a_finished_job_again_takes_no_room(tmp_path: Path) -> None:
    """No backup is made that holds what the newest one holds, and the state before the last stays what it was."""
    _run(tmp_path / "talks.db", "talk.srt", 300)
    before = _sizes(tmp_path)
    for _ in range(2):
        _run(tmp_path / "talks.db", "talk.srt", 300)
    assert _sizes(tmp_path) == before
    assert sum(before.values()) < 4 * sum(len(json.dumps(_result(index))) for index in range(300))


@pytest.mark.slow
def test_backups_that_hold_the_same_do_not_push_out_one_that_differs(tmp_path: Path) -> None:
    """However often a finished job is opened, the backup of the time before its end is there."""
    path = tmp_path / "talks.db"
    _run(path, "talk.srt", 40, upto=20)
    _run(path, "talk.srt", 40)
    backups = sorted(tmp_path.glob("talks.db.backup-*"))
    assert len(backups) == 2
    older = backups[0].read_bytes()
    for _ in range(3):
        _run(path, "talk.srt", 40)
    assert sorted(tmp_path.glob("talks.db.backup-*")) == backups
    assert backups[0].read_bytes() == older


@pytest.mark.slow_variants
@pytest.mark.parametrize("change", ["replaced", "failed", "another job"])
def test_a_store_that_holds_something_else_is_backed_up(tmp_path: Path, change: str) -> None:
    """A replaced result, a failed chunk, a new job: what the newest backup lacks is in the next one."""
    path = tmp_path / "talks.db"
    job_id = _run(path, "talk.srt", 10, upto=5)
    newest = max(tmp_path.glob("talks.db.backup-*"))
    with CheckpointStore(path) as store:
        job = store.job(job_id)
        if change == "replaced":
            job.complete(2, "another", replace=True)
        elif change == "failed":
            job.fail_chunk(7, "no answer")
        else:
            store.open_job("third.srt", total_chunks=2)
        job.pause()
    assert max(tmp_path.glob("talks.db.backup-*")) > newest


@pytest.mark.slow
@pytest.mark.parametrize("is_open_elsewhere", [False, True])
def test_deleting_a_job_gives_its_room_back(tmp_path: Path, *, is_open_elsewhere: bool) -> None:
    """The store file shrinks to what the other jobs take, also while somebody else has it open; they lose nothing."""
    path = tmp_path / "talks.db"
    kept = _run(path, "talk.srt", 30)
    small = path.stat().st_size
    big = _run(path, "lecture.srt", 600)
    assert path.stat().st_size > 10 * small
    other = CheckpointStore(path, state_file=None) if is_open_elsewhere else None
    if other is not None:
        assert other.job(kept).result(3) == _result(3)
    with CheckpointStore(path) as store:
        store.delete_job(big)
        assert dict(store.job(kept).items()) == {index: _result(index) for index in range(30)}
        assert path.stat().st_size < 1.2 * small
        assert store.check() == []
    if other is not None:
        assert dict(other.job(kept).items()) == {index: _result(index) for index in range(30)}
        other.close()
    assert path.stat().st_size < 1.2 * small


def test_doctor_says_what_takes_how_much(tmp_path: Path) -> None:
    """Store, backups and state files are listed with their sizes."""
    _run(tmp_path / "talks.db", "talk.srt", 30)
    (room,) = [finding.says for finding in doctor(tmp_path / "talks.db") if finding.what == "room"]
    sizes = _sizes(tmp_path)
    assert f"store {size_text(sizes['talks.db'])}" in room
    assert f"state file {size_text(sizes['talks.json'])}" in room
    assert f"backups {size_text(sum(size for name, size in sizes.items() if '.backup-' in name))}" in room
    assert room.startswith(f"{size_text(sum(sizes.values()))}:")


@pytest.mark.parametrize(("kind", "where"), [("tmpfs", "in memory"), ("overlay", "in a container")])
def test_doctor_warns_of_a_store_that_goes_with_its_machine_or_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, where: str
) -> None:
    """What is paid for and kept there is lost with it; nobody is told that it survives a power cut in memory."""
    CheckpointStore(tmp_path / "talks.db").close()
    monkeypatch.setattr(doctor_room, "file_system", lambda _: kind)
    findings = {finding.what: finding for finding in doctor(tmp_path / "talks.db")}
    assert (findings["file system"].level, where in findings["file system"].says) == ("warning", True)
    assert ("power cut" in findings["journal"].says) == (kind == "overlay")
    monkeypatch.setattr(doctor_room, "file_system", lambda _: "ext4")
    findings = {finding.what: finding for finding in doctor(tmp_path / "talks.db")}
    assert (findings["file system"].level, findings["file system"].says) == ("ok", "ext4")


def test_the_doctor_says_that_no_file_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system has no inode left, free bytes help nobody, and no run can begin."""
    path = tmp_path / "talks.db"
    _run(path, "talk.srt", 2)
    monkeypatch.setattr(doctor_room, "has_no_inode", lambda _: True)
    found = {finding.what: finding for finding in doctor(path)}["free space"]
    assert (found.level, found.remedy) == ("warning", "delete files there")
    assert "no inode" in found.says


def test_the_doctor_knows_of_file_systems_that_keep_no_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On vfat, exfat and ntfs no chmod helps, and a disk behind FUSE is no network."""
    path = tmp_path / "talks.db"
    _run(path, "talk.srt", 2)
    path.chmod(0o777)
    monkeypatch.setattr(doctor_room, "file_system", lambda _: "fuse")
    monkeypatch.setattr(doctor_room, "journal_mode_for", lambda _: "truncate")
    found = {finding.what: finding for finding in doctor(path)}
    assert "talks.db is 0777" in found["permissions"].says
    remedy = found["permissions"].remedy or ""
    assert remedy.startswith("chmod 600 these files; if that changes nothing, "), (
        "what helps on a usual disk comes first"
    )
    assert "mount it with umask=077, or move the store" in remedy
    assert "network" not in found["file system"].says


def test_the_doctor_says_what_is_at_stake_on_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slower journal is the smaller matter: where locks are unsound, two runs may harm the store."""
    path = tmp_path / "talks.db"
    _run(path, "talk.srt", 2)
    monkeypatch.setattr(doctor_room, "file_system", lambda _: "nfs4")
    monkeypatch.setattr(doctor_room, "journal_mode_for", lambda _: "truncate")
    found = {finding.what: finding for finding in doctor(path)}["file system"]
    assert (found.level, "rollback journal" in found.says) == ("warning", True)
    assert "two runs may harm the store if the locks of nfs4 are unsound" in found.says
    assert (found.remedy or "").startswith("move the store to a local disk (ext4): its locks are sound")
