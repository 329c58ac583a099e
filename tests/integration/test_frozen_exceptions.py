"""An exception that allows no attribute to be set reaches the caller of a loop as it is, with the library's notes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from checkpoint_store import CheckpointStoreError, JobStatus

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


@dataclasses.dataclass(frozen=True)
class Refused(Exception):
    """An error of a client, as a frozen dataclass."""

    status_code: int
    body: str

    def __str__(self) -> str:
        return "refused"


@pytest.mark.parametrize(
    ("status_code", "body", "status", "note"),
    [
        (400, "too long", JobStatus.FAILED, "The service says: too long"),
        (401, "no such key", JobStatus.PAUSED, "The service says: no such key"),
        (404, '{"message": "model: x-1"}', JobStatus.PAUSED, "Correct the model, then run the job again."),
    ],
)
def test_a_frozen_exception_of_the_work_ends_the_loop_with_its_notes(
    store: CheckpointStore, status_code: int, body: str, status: JobStatus, note: str
) -> None:
    """The job gets the status that follows from the exception, and the caller gets the exception itself."""

    def work(_: Any) -> NoReturn:
        raise Refused(status_code, body)

    job = store.open_job("talk.txt", chunks=["a", "b"])
    with pytest.raises(Refused) as raised:
        list(job.map(work, max_attempts=1))
    assert note in raised.value.__notes__
    assert job.status == status
    assert str(job.state().error_message).startswith("Refused: refused")


def test_a_frozen_exception_of_an_option_ends_the_loop_with_the_error_that_it_met(store: CheckpointStore) -> None:
    """The function given as ``wait`` fails; what it was asked about is the cause of its error."""

    def work(_: Any) -> NoReturn:
        raise ConnectionError("no network")

    def wait(*_: Any) -> NoReturn:
        raise Refused(0, "")

    with pytest.raises(Refused) as raised:
        store.map(work, ["a", "b"], file_name="talk.txt", wait=wait)
    assert isinstance(raised.value.__cause__, ConnectionError)


def test_a_frozen_exception_of_the_body_says_what_was_not_recorded(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``with`` block of a job ends with the exception of its body, and a note has the error of the store."""
    job = store.open_job("talk.txt", chunks=["a"])

    def leave(_: object) -> NoReturn:
        raise CheckpointStoreError("the disk is full")

    with pytest.raises(Refused) as raised, job:
        monkeypatch.setattr(job._execution.lifecycle, "leave_block", leave)
        raise Refused(0, "")
    assert raised.value.__notes__ == ["Besides, the end of the job could not be recorded: the disk is full"]
