"""The state file: what people read, and what survives when the store file does not."""

from __future__ import annotations

import json
import os
import shutil
import stat
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import (
    CheckpointStore,
    Job,
    JobStatus,
    ProcessingState,
    StorageUnavailableError,
    StoreTargetError,
)
from checkpoint_store.state_file import pace, writer
from checkpoint_store.state_file.writer import StateFile
from checkpoint_store.storage.records.records import Completion
from tests.unit.state_tools import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children, Opener


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is just now, each chunk of these small jobs may cost a write of the file."""
    monkeypatch.setattr(pace, "_WRITING_CREDIT_SECONDS", 3600.0)


def shown(path: Path) -> ProcessingState:
    return ProcessingState.from_json(path.read_bytes())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state file of ``talks.db`` is."""
    return tmp_path / "talks.json"


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of three chunks."""
    return store.open_job(
        "lecture.srt", chunks=["a", "b", "c"], video_title="Größe 😀", model="m", config={"b": 1, "a": [1, {"x": None}]}
    )


def test_a_small_jobs_file_is_exact_after_each_chunk(job: Job, path: Path) -> None:
    """The file of a small job equals the job's state after each chunk."""
    for index in (2, 0, 1):
        job.complete(index, {"text": f"done {index}"})
        assert shown(path) == job.state()
        assert index in shown(path).completed_chunks


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "end",
    [
        lambda job: job.pause(),
        lambda job: job.resume(),
        lambda job: job.fail("boom"),
        lambda job: job.export(),
        lambda job: job.__exit__(None, None, None),
        lambda job: job.set_status(JobStatus.PAUSED),
    ],
    ids=["pause", "resume", "fail", "export", "exit", "set_status"],
)
def test_the_file_is_exact_after_each_ending(store: CheckpointStore, path: Path, end: Any) -> None:
    """The state file is exact after each ending of a job, even if it was behind before."""
    store._context.state_file._pace._credit = -1e9  # type: ignore[union-attr]
    job = store.open_job("f", total_chunks=3)
    job.complete_many([(0, 1), (1, 2)])
    assert shown(path) != job.state()
    end(job)
    assert shown(path) == job.state()


def test_the_file_is_exact_after_close(store: CheckpointStore, path: Path, open_store: Opener) -> None:
    """The state file is exact after ``close``, however far it was behind."""
    store._context.state_file._pace._credit = -1e9  # type: ignore[union-attr]
    job = store.open_job("f", total_chunks=2)
    job.complete(0, 1)
    assert shown(path).completed_chunks == []
    store.close()
    assert shown(path) == open_store(state_file=None).job(job.job_id).state()


def test_following_a_huge_job_costs_a_share_of_the_time(
    store: CheckpointStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing the state file of a huge job takes less than 5% of the time."""
    clock = [0.0]
    monkeypatch.setattr(pace, "_WRITING_CREDIT_SECONDS", 0.1)
    monkeypatch.setattr(writer.time, "monotonic", lambda: clock[0])
    state_file = store._context.state_file
    assert state_file is not None
    writes, write = [], StateFile._write

    def replace(path: Path, *_: Any, **__: Any) -> None:
        path.touch()
        clock[0] += 1.0

    def slow(self: StateFile, *arguments: Any, **options: Any) -> None:
        writes.append(clock[0])
        monkeypatch.setattr(writer, "replace_file", replace)
        write(self, *arguments, **options)

    monkeypatch.setattr(StateFile, "_write", slow)
    state_file._pace = pace.WritingPace()
    completion = Completion("job", 0, "2026-01-01T00:00:00+00:00", None, None)
    for _ in range(2000):
        clock[0] += 0.1
        state_file.follow([completion], clock[0])
    assert len(writes) >= 3
    assert len(writes) / clock[0] < 0.05


def test_the_file_before_is_kept(job: Job, path: Path) -> None:
    """``.bak`` is the state file as it was one write ago."""
    job.complete(0, "x")
    before = path.read_bytes()
    job.pause()
    assert path.with_suffix(".bak").read_bytes() == before


def test_keys_stand_in_the_order_of_the_schema(job: Job, path: Path) -> None:
    """The keys of a state file stand in the order of the schema, for a person who reads from the top."""
    assert list(json.loads(path.read_text("utf-8"))) == FIELDS
    assert list(json.loads(job.state().to_json())) == FIELDS


def test_the_file_is_text_for_people(job: Job, path: Path) -> None:
    """UTF-8 as it is, indented, one result a line, ending with a newline."""
    job.complete(0, {"text": "Ärger mit 😀"})
    text = path.read_text("utf-8")
    assert '  "video_title": "Größe 😀",\n' in text
    assert '    {"text": "Ärger mit 😀"}\n' in text
    assert text.startswith('{\n  "version": "')
    assert text.endswith("}\n")


def test_state_file_none_writes_none(open_store: Opener, tmp_path: Path) -> None:
    """With ``state_file=None`` no state file is written, not even at the end."""
    with open_store(state_file=None) as store, store.open_job("f", total_chunks=1) as job:
        job.complete(0, 1)
        with pytest.raises(StoreTargetError, match="state_file=None"):
            job.export()
    assert sorted(one.name for one in tmp_path.iterdir() if one.suffix in (".json", ".bak")) == []


def test_an_export_without_a_path_says_why_there_is_none(open_store: Opener, tmp_path: Path) -> None:
    """A read-only store that is asked to export names its ``read_only=True``, and no option that nobody gave."""
    with open_store() as store:
        store.open_job("f", total_chunks=1)
    with open_store(read_only=True) as store:
        with pytest.raises(StoreTargetError, match="opened with read_only=True; give a path"):
            store.job("f").export()
        assert store.job("f").export(tmp_path / "given.json") == tmp_path / "given.json"


def test_the_file_may_lie_elsewhere(open_store: Opener, tmp_path: Path) -> None:
    """The state file may have any path in an existing folder."""
    (tmp_path / "elsewhere").mkdir()
    job = open_store(state_file=tmp_path / "elsewhere" / "now.json").open_job("f", total_chunks=1)
    job.complete(0, 1)
    assert shown(tmp_path / "elsewhere" / "now.json") == job.state()
    assert not (tmp_path / "talks.json").exists()


def test_a_store_without_a_suffix_has_a_state_file_too(open_store: Opener, tmp_path: Path) -> None:
    """The state file of a store ``talks`` is ``talks.json``."""
    open_store("talks").open_job("f", total_chunks=1)
    assert shown(tmp_path / "talks.json").file_name == "f"


def test_the_file_shows_the_job_at_hand(job: Job, store: CheckpointStore, path: Path) -> None:
    """The one that was opened last, or that works on."""
    other = store.open_job("other", total_chunks=2)
    assert shown(path).job_id == other.job_id
    job.complete(0, 1)
    assert shown(path).job_id == job.job_id


def test_export_writes_any_job_anywhere(job: Job, store: CheckpointStore, tmp_path: Path) -> None:
    """``export`` writes any job to any path, and returns the path."""
    store.open_job("other", total_chunks=2)
    job.complete(1, 1.0)
    path = job.export(tmp_path / "out.json")
    assert path == tmp_path / "out.json"
    assert shown(path) == job.state()


@pytest.mark.parametrize(
    "name", ["talks.db", "talks.db-wal", "talks.db-shm", "talks.lock", "link.json", "sub/../talks.db"]
)
def test_export_never_replaces_a_file_of_the_store(job: Job, tmp_path: Path, name: str) -> None:
    """Whatever it is called; everything recorded stays."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.json").symlink_to("talks.db")
    job.complete(0, "kept")
    with pytest.raises(StoreTargetError):
        job.export(tmp_path / name)
    job.complete(1, "kept too")
    assert list(job.results(missing="skip")) == ["kept", "kept too"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_export_replaces_no_pipe_and_no_folder(job: Job, tmp_path: Path, make: Any) -> None:
    """``export`` replaces regular files only, and neither a pipe nor a folder."""
    make(tmp_path / "there")
    with pytest.raises(StoreTargetError):
        job.export(tmp_path / "there")


STRANGERS = [
    b"my notes",
    b"[1, 2, 3]",
    b'{"a": 1}',
    b'{"version": "1.0.0"}',
    b'{"version": "2", "name": "my package", "dependencies": {}, "scripts": {}}',
    b"SQLite format 3\0",
    b"\0\1\2",
    b'"version"',
]


@pytest.mark.parametrize("name", ["talks.json", "talks.bak"])
@pytest.mark.parametrize("content", STRANGERS)
def test_a_strangers_file_is_never_overwritten(open_store: Opener, tmp_path: Path, name: str, content: bytes) -> None:
    """A stranger's file at the state file's path is refused and kept, beside a new or a used store."""
    stranger = tmp_path / name
    stranger.write_bytes(content)
    with pytest.raises(StoreTargetError) as caught:
        open_store()
    assert caught.value.target == str(stranger)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    with open_store(state_file=None) as store:
        store.open_job("f", total_chunks=1)
    with pytest.raises(StoreTargetError):
        open_store()
    assert stranger.read_bytes() == content


@pytest.mark.slow_variants
@pytest.mark.parametrize("content", [b"", b"\n", b"\0" * 3000, b"{", b'{\n  "ver', b'{\n  "version": "1.0",\n  "jo'])
def test_a_torn_file_of_ours_is_written_anew(open_store: Opener, path: Path, content: bytes) -> None:
    """The store file is the truth: what a power cut left of the state file stops no one."""
    with open_store() as store:
        job = store.open_job("f", total_chunks=2)
        job.complete(0, "kept")
    path.write_bytes(content)
    with open_store() as store:
        again = store.open_job("f", total_chunks=2)
        assert list(again.results(missing="skip")) == ["kept"]
        assert shown(path) == again.state()


@pytest.mark.parametrize("name", ["own.lock", "own.bak", "own.db", "talks.db", "talks.db-wal", "talks.db-journal"])
def test_the_state_file_has_a_name_of_its_own(open_store: Opener, tmp_path: Path, name: str) -> None:
    """A state file with the name of the store, or of a file beside it, is refused before anything is created."""
    with pytest.raises(StoreTargetError):
        open_store(state_file=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_left_over_temporary_files_are_swept(job: Job, path: Path) -> None:
    """Temporary files that were left over are removed, those of this state file alone."""
    gone = [path.with_name("talks.json.tmp-0123456789ab"), path.with_name("talks.bak.tmp-0123456789ab")]
    kept = [path.with_name("other.json.tmp-0123456789ab"), path.with_name("talks.json.tmp")]
    for one in (*gone, *kept):
        one.write_text("{")
    job.pause()
    assert [one.exists() for one in (*gone, *kept)] == [False, False, True, True]


UNDER_ANY_UMASK = program(__file__, "under_any_umask")


@pytest.mark.slow_variants
@pytest.mark.parametrize("umask", ["000", "022", "077", "277", "777"])
def test_every_file_is_its_owners_alone(children: Children, umask: str) -> None:
    """Store, log, lock, state file, copies: mode 0600 in every moment, whatever the umask takes from whom."""
    wrong, names = children.run(UNDER_ANY_UMASK, umask).splitlines()
    assert wrong == "{}"
    for name in ("talks.db", "talks.db-wal", "talks.db-shm", "talks.json", "talks.bak", "talks.lock", "copy.db"):
        assert f"'{name}'" in names


def test_an_old_open_file_is_closed_to_others(open_store: Opener, path: Path) -> None:
    """A state file of mode 0644 from before leaves no copy that others can read."""
    path.write_text(ProcessingState(file_name="f", total_chunks=1).to_json())
    path.chmod(0o644)
    open_store().close()
    for name in ("talks.json", "talks.bak"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_stops_no_chunk(job: Job, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunk is recorded; the file follows when it can."""

    def full(*_arguments: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("checkpoint_store.system.file_replacement._write_new", full)
        job.complete(0, "x")
        assert job.result(0) == "x"
    assert shown(path).completed_chunks == []
    job.complete(1, "y")
    assert shown(path) == job.state()


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["talks.json", "talks.bak"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_comes_in_the_place_of_a_state_file_is_moved_aside(
    job: Job, path: Path, name: str, make: Callable[[Path], None]
) -> None:
    """A folder or a pipe that somebody makes there while the job runs keeps no result, and stays, under another name."""

    def work(_: object) -> str:
        if path.with_name(name).is_file():
            path.with_name(name).unlink()
            make(path.with_name(name))
        return "done"

    assert [item.result for item in job.map(work)] == ["done"] * job.total_chunks
    assert shown(path) == job.state()
    assert not any(aside.is_file() for aside in path.parent.glob(f"{name}.replaced-*"))
    assert list(path.parent.glob(f"{name}.replaced-*"))


def test_a_loop_hands_over_its_results_without_a_state_file(open_store: Opener, tmp_path: Path) -> None:
    """The folder of the state file is gone: the loop ends as ever, and the close says that the file is not written."""
    folder = tmp_path / "states"
    folder.mkdir()
    store = open_store(state_file=folder / "state.json")
    job = store.open_job("f", chunks=["a", "b"])

    def work(text: str) -> str:
        shutil.rmtree(folder, ignore_errors=True)
        return text.upper()

    assert [item.result for item in job.map(work)] == ["A", "B"]
    assert job.status == "completed"
    with pytest.raises(StorageUnavailableError, match=r"states/state\.json cannot be used now"):
        store.close()


def test_a_state_file_survives_a_lost_store(open_store: Opener, job: Job, store: CheckpointStore) -> None:
    """A new store in place of a lost store takes in all that the state file has, once it is asked to."""
    job.complete_many([(0, {"x": 1}), (2, "z")])
    store.close()
    state = job_state(open_store, job.job_id)
    store.path.unlink()
    for backup in store.path.parent.glob("talks.db.backup-*"):
        backup.unlink()
    other = open_store("new.db")
    assert other.import_state(store.path.with_suffix(".json")).state() == state


def job_state(open_store: Opener, job_id: str) -> ProcessingState:
    with open_store(state_file=None) as store:
        return store.job(job_id).state()
