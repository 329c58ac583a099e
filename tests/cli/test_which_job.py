"""JOB is an id, the beginning of an id, or a file name; left out it is the newest job, in every command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, JobNotFound
from checkpoint_store.cli.app import group

if TYPE_CHECKING:
    from .conftest import Folder

_CONTEXT = click.Context(group, **group.context_settings)
TAKE_A_JOB = [
    name
    for name in group.list_commands(_CONTEXT)
    for parameter in group.get_command(_CONTEXT, name).params  # type: ignore[union-attr]
    if parameter.name in ("job_id", "jobs") and isinstance(parameter, click.Argument)
]
_MORE = {"redo": ("--chunks", "0"), "release": ("--runner", "1"), "report": ("-o", "page.html", "--force")}


@pytest.fixture
def two(folder: Folder) -> Folder:
    """A folder whose store has a complete job of ``old.txt``, and a newer one of ``new.txt``."""
    with CheckpointStore(folder.path / ".processing_state.db", durability="process") as store:
        for name in ("old", "new"):
            store.open_job(f"{name}.txt", chunks=[name]).complete(0, {"cleaned_text": name})
    return folder


def job_ids(folder: Folder) -> dict[str, str]:
    """The id of each job by its file's name."""
    with CheckpointStore(folder.path / ".processing_state.db", read_only=True) as store:
        return {job.file_name: job.job_id for job in store.jobs()}


def said(folder: Folder, command: str, *job: str) -> object:
    """What the command prints as JSON of a job, or of the newest one."""
    code = 2 if command == "release" else 0  # neither job has a runner, and the error names the job
    done = json.loads(folder.run(command, *job, *_MORE.get(command, ()), "--json", code=code).stdout)
    if command == "redo":
        del done["marked_chunks"]  # a chunk is marked once
    return done["jobs"] if command == "report" else done


def test_the_commands_that_take_a_job_are_found() -> None:
    """The control: those that everybody knows are among them."""
    assert {"show", "results", "export", "delete", "pause", "report", "release", "resume"} <= set(TAKE_A_JOB)


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", [name for name in TAKE_A_JOB if name != "resume"])
def test_a_job_is_named_in_four_ways(two: Folder, command: str) -> None:
    """A command takes a job by its id, by the beginning of the id, by its file's name, or the newest job."""
    ids = job_ids(two)
    expected = said(two, command, ids["new.txt"])
    assert said(two, command) == expected
    assert said(two, command, "new.txt") == expected
    assert said(two, command, ids["new.txt"][:8]) == expected
    assert said(two, command, "old.txt") == said(two, command, ids["old.txt"]) != expected


@each_case("command", [name for name in TAKE_A_JOB if name != "resume"])
def test_a_store_without_jobs_is_told(folder: Folder, command: str) -> None:
    """A command without JOB says of an empty store that it has no job yet, and how to begin one."""
    CheckpointStore(folder.path / ".processing_state.db").close()
    assert "has no job yet; begin one with: checkpoint-store run FILE" in folder.run(
        command, *_MORE.get(command, ()), code=2
    ).stderr.replace("\n", " ")


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", TAKE_A_JOB)
@pytest.mark.parametrize("typed", ["nwe.txt", "talks/new.txt"])
def test_a_slip_gets_the_nearest_file_name(two: Folder, command: str, typed: str) -> None:
    """A letter in the wrong place, or a folder that the job's name does not have."""
    done = two.run(command, typed, *_MORE.get(command, ()), code=2)
    assert "Did you mean new.txt?" in " ".join(done.stderr.split())


@pytest.mark.slow_variants
@pytest.mark.parametrize("typed", ["./new.txt", "../work/new.txt", "{folder}/new.txt"])
def test_a_job_is_named_by_the_path_of_its_file(two: Folder, typed: str) -> None:
    """A job is named by its file, however a shell completes the path, even if the file is gone."""
    typed = typed.replace("../work", f"../{two.path.name}").format(folder=two.path)
    assert said(two, "show", typed) == said(two, "show", "new.txt")
    two.run("delete", typed, "--yes")
    assert set(job_ids(two)) == {"old.txt"}


def test_a_file_whose_name_begins_with_a_dash_is_named_as_the_message_says(folder: Folder) -> None:
    """What the usage error tells people to type works for JOB, too."""
    with CheckpointStore(folder.path / ".processing_state.db", durability="process") as store:
        store.open_job("-talk.txt", chunks=["a"])
    assert folder.run("show", "-talk.txt", code=2).stderr.endswith("write ./-talk.txt\n")
    assert json.loads(folder.run("show", "./-talk.txt", "--json").stdout)["file_name"] == "-talk.txt"


def test_a_path_names_no_job_by_the_beginning_of_its_id(two: Folder) -> None:
    """A path is a file, and no id."""
    beginning = job_ids(two)["new.txt"][:8]
    assert "is not a job" in " ".join(two.run("show", f"./{beginning}", code=2).stderr.split())


def test_a_name_like_no_other_gets_no_guess(two: Folder) -> None:
    """A wrong guess is worse than none."""
    assert "Did you mean" not in two.run("show", "quarterly report", code=2).stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize("more", [(), ("--yes",)])
def test_a_short_beginning_of_an_id_deletes_nothing(two: Folder, more: tuple[str, ...]) -> None:
    """``delete`` refuses fewer than eight characters of an id, which may be a slip of the hand."""
    ids = job_ids(two)
    done = two.run("delete", ids["old.txt"][:7], *more, code=2)
    assert f"too short to delete by: it is the beginning of job {ids['old.txt']}" in " ".join(done.stderr.split())
    assert job_ids(two) == ids
    two.run("delete", ids["old.txt"][:8], "--yes")
    assert set(job_ids(two)) == {"new.txt"}


def test_a_short_file_name_deletes_its_job(folder: Folder) -> None:
    """The rule is about ids."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("a", chunks=["x"])
    folder.run("delete", "a", "--yes")
    assert job_ids(folder) == {}


def test_the_library_refuses_a_short_beginning_too(two: Folder) -> None:
    """``store.delete_job`` deletes for good, whoever calls it."""
    job_id = job_ids(two)["old.txt"]
    with CheckpointStore(two.path / ".processing_state.db") as store:
        with pytest.raises(JobNotFound, match="too short to delete by"):
            store.delete_job(job_id[:7])
        assert len(store.jobs()) == 2
        store.delete_job(job_id[:8])
        assert len(store.jobs()) == 1


def test_report_is_about_the_newest_job_or_all(two: Folder) -> None:
    """``report`` is about the newest job, or with ``--all`` about all jobs, which excludes named jobs."""
    ids = job_ids(two)
    assert two.json("report")["jobs"] == [ids["new.txt"]]
    assert sorted(two.json("report", "--all")["jobs"]) == sorted(ids.values())
    assert "exclude each other" in two.run("report", "old.txt", "--all", code=2).stderr
