"""What is said about a job beside its plan: kept, replaced, shown, and never lost on the way to another store."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SECRET, files_with
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    InvalidArgumentError,
    JobNotFound,
    ProcessingState,
    SecretInConfig,
    StateManager,
    StoreRecovered,
)
from checkpoint_store.maintenance import recover_store

if TYPE_CHECKING:
    from conftest import ManagerOpener, Opener

ABOUT = {"owner": "Ana", "estimate": {"cost": 1.5, "minutes": 20}, "tags": ["spring"]}


def state_file(store: CheckpointStore) -> Any:
    return json.loads(Path(str(store.state_file)).read_text("utf-8"))


def test_metadata_is_kept_with_the_job(store: CheckpointStore, open_store: Opener) -> None:
    """Whoever opens the store later reads what was said about a job."""
    job = store.open_job("f", total_chunks=2, metadata=ABOUT)
    assert (job.metadata, job.summary().metadata) == (ABOUT, ABOUT)
    assert open_store().job("f").metadata == ABOUT
    assert open_store(read_only=True).job("f").metadata == ABOUT
    assert store.open_job("other", total_chunks=2).metadata == {}


def test_metadata_is_no_part_of_the_plan(store: CheckpointStore) -> None:
    """Another estimate is no reason to pay again: the same job goes on."""
    job = store.open_job("f", chunks=["a", "b"], metadata={"estimate": 1})
    job.complete(0, "A")
    again = store.open_job("f", chunks=["a", "b"], metadata={"estimate": 2})
    assert (again.job_id, again.metadata, job.metadata) == (job.job_id, {"estimate": 2}, {"estimate": 2})


def test_metadata_given_again_replaces_and_not_given_stays(store: CheckpointStore) -> None:
    """Metadata that is given again replaces the earlier metadata whole, and stays if none is given."""
    plan = {"chunks": ["a"]}
    store.open_job("f", **plan, metadata={"a": 1, "b": 2})
    assert store.open_job("f", **plan).metadata == {"a": 1, "b": 2}
    assert store.open_job("f", **plan, metadata={"c": 3}).metadata == {"c": 3}
    assert store.open_job("f", **plan, metadata={}).metadata == {}


def test_a_job_that_grows_keeps_it(store: CheckpointStore) -> None:
    """A feed says once who owns it."""
    store.open_job("f", chunks=["a"], metadata=ABOUT)
    assert store.open_job("f", chunks=["a", "b"], on_change="extend").metadata == ABOUT


def test_a_new_job_has_its_own(store: CheckpointStore) -> None:
    """What is said about a job is not said about the one that replaces it."""
    store.open_job("f", chunks=["a"], metadata=ABOUT).complete(0, "A")
    assert store.open_job("f", chunks=["a", "b"], on_change="reuse").metadata == {}


def test_it_is_changed_while_the_job_runs(store: CheckpointStore, open_store: Opener) -> None:
    """``set_metadata`` is durable, and in the state file, when it returns."""
    job = store.open_job("f", total_chunks=2, metadata=ABOUT)
    job.set_metadata({"owner": "Bo"})
    assert open_store(state_file=None).job("f").metadata == {"owner": "Bo"}
    assert (job.metadata, state_file(store)["metadata"]) == ({"owner": "Bo"}, {"owner": "Bo"})
    job.set_metadata({})
    assert (job.metadata, state_file(store)["metadata"]) == ({}, {})


def test_what_is_read_is_a_copy(store: CheckpointStore) -> None:
    """Changing the dictionary changes no job, and a later change of what was given none either."""
    given = {"owner": "Ana"}
    job = store.open_job("f", total_chunks=1, metadata=given)
    given["owner"] = "Bo"
    job.metadata["owner"] = "Cy"
    assert job.metadata == {"owner": "Ana"}


@each_case(
    ("wrong", "says"),
    [
        ("Ana", "metadata"),
        ([("owner", "Ana")], "metadata"),
        ({"seen": {1, 2}}, r"metadata\['seen'\]"),
        ({"a": [1, math.nan]}, r"metadata\['a'\]\[1\]"),
        ({1: "page"}, "metadata"),
        ({"name": "\ud800"}, r"metadata\['name'\]"),
    ],
    ids=str,
)
def test_what_json_cannot_hold_is_refused_with_its_place(store: CheckpointStore, wrong: Any, says: str) -> None:
    """The error names the field, and nothing was changed."""
    job = store.open_job("f", total_chunks=1, metadata=ABOUT)
    for call in (lambda: store.open_job("f", total_chunks=1, metadata=wrong), lambda: job.set_metadata(wrong)):
        with pytest.raises(InvalidArgumentError, match=says):
            call()
    assert job.metadata == ABOUT


def test_nothing_is_no_metadata_for_a_change(store: CheckpointStore) -> None:
    """``set_metadata(None)`` may be a forgotten return: it clears nothing."""
    job = store.open_job("f", total_chunks=1, metadata=ABOUT)
    with pytest.raises(InvalidArgumentError, match=r"give \{\} to leave nothing"):
        job.set_metadata(None)  # type: ignore[arg-type]
    assert job.metadata == ABOUT


def test_no_secret_is_stored(store: CheckpointStore, manager: StateManager, tmp_path: Path) -> None:
    """A key in metadata is refused like one in a config, whichever way it comes."""
    about = {"service": {"api_key": SECRET}}
    job = store.open_job("f", total_chunks=1)
    for call in (
        lambda: store.open_job("f", total_chunks=1, metadata=about),
        lambda: store.open_job("g", total_chunks=1, metadata=about),
        lambda: job.set_metadata(about),
        lambda: manager.save(ProcessingState(total_chunks=1, metadata=about)),
    ):
        with pytest.raises(SecretInConfig, match=r"metadata.*api_key") as refused:
            call()
        assert SECRET not in str(refused.value)
    store.close()
    assert files_with(tmp_path, SECRET) == []


def test_a_deleted_job_has_none(store: CheckpointStore) -> None:
    """The error says which job is gone."""
    job = store.open_job("f", total_chunks=1)
    store.delete_job(job.job_id)
    with pytest.raises(JobNotFound, match=job.job_id):
        job.set_metadata(ABOUT)


# -- in states, and on the way to another store


def test_a_state_has_it(store: CheckpointStore, tmp_path: Path) -> None:
    """The snapshot, the state file and an export have the metadata; older versions of a state have none."""
    job = store.open_job("f", total_chunks=1, metadata=ABOUT)
    exported = json.loads(job.export(tmp_path / "copy.json").read_text("utf-8"))
    assert job.state().metadata == state_file(store)["metadata"] == exported["metadata"] == ABOUT
    assert list(exported)[-2:] == ["metadata", "redo_chunks"]
    del exported["metadata"], exported["redo_chunks"]
    assert ProcessingState.from_dict(exported | {"version": "1.3"}).metadata == {}


def test_an_import_takes_it_along(store: CheckpointStore, open_store: Opener, tmp_path: Path) -> None:
    """Another store knows from the state file what was said about the job; a secret in the file is replaced."""
    store.open_job("f", total_chunks=1, metadata=ABOUT).export(tmp_path / "copy.json")
    other = open_store("other.db")
    assert other.import_state(tmp_path / "copy.json").metadata == ABOUT
    state = json.loads((tmp_path / "copy.json").read_text("utf-8")) | {"job_id": "b", "metadata": {"api_key": SECRET}}
    (tmp_path / "secret.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.warns(UserWarning, match="redacted"):
        taken = other.import_state(tmp_path / "secret.json")
    assert taken.metadata == {"api_key": "[redacted]"}


def test_a_manager_keeps_it(make_manager: ManagerOpener, tmp_path: Path) -> None:
    """What ``save`` was given comes back from ``load``, and a change of it alone is a change."""
    manager = make_manager()
    manager.save(ProcessingState(total_chunks=2, metadata=ABOUT))
    state = manager.load()
    assert state is not None
    assert state.metadata == ABOUT
    manager.save(state.replace(metadata={"owner": "Bo"}))
    manager.close()
    loaded = make_manager().load()
    assert loaded is not None
    assert loaded.metadata == {"owner": "Bo"}
    assert json.loads((tmp_path / "state.json").read_text("utf-8"))["metadata"] == {"owner": "Bo"}


def test_a_state_of_an_older_version_takes_nothing_back(make_manager: ManagerOpener) -> None:
    """A state without the field says nothing about it; one of this version that has none leaves none."""
    manager = make_manager()
    state = ProcessingState(total_chunks=2, metadata=ABOUT)
    manager.save(state)
    older = state.to_dict() | {"version": "1.3"}
    del older["metadata"]
    manager.save(ProcessingState.from_dict(older))
    kept = manager.load()
    assert kept is not None
    assert kept.metadata == ABOUT
    manager.save(state.replace(metadata={}))
    cleared = manager.load()
    assert cleared is not None
    assert cleared.metadata == {}


@pytest.mark.slow_variants
@pytest.mark.parametrize("left", ["backup", "state file"])
def test_recovery_brings_it_back(open_store: Opener, tmp_path: Path, left: str) -> None:
    """A recovery brings the metadata back from a backup, or from the state file alone."""
    with open_store() as store:
        job = store.open_job("f", total_chunks=2, metadata=ABOUT)
        job.complete(0, "A")
        job.pause()
    for path in tmp_path.iterdir():
        if path.name == "talks.db" or (left == "state file" and ".backup" in path.name):
            path.unlink()
    if left == "backup":
        (tmp_path / "talks.json").unlink()
        recover_store(tmp_path / "talks.db")
        assert open_store().job("f").metadata == ABOUT
    else:
        with pytest.warns(StoreRecovered, match="state file"):
            store = open_store()
        assert store.job("f").metadata == ABOUT
