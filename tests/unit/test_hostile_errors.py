"""Exceptions of the work whose fields, notes and groups are not what one may expect."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.retry_policy import is_fatal, is_transient
from checkpoint_store.loop.service.service_errors import Trouble, trouble_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store import CheckpointStore


class HostileError(Exception):
    """Every field that one may ask for raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class WithoutNotesError(Exception):
    """Its notes are no list of texts, and every other field is a function."""

    __notes__: Any = 5

    def __getattr__(self, name: str) -> Any:
        return WithoutNotesError


class EndingError(Exception):
    """What is asked of it ends the program: its text, or its cost."""

    def __init__(self, field: str, end: type[BaseException]) -> None:
        super().__init__(field, end)
        self.field, self.end = field, end

    def __str__(self) -> str:
        return self._answer("text")

    @property
    def cost(self) -> str:
        """The price of the call."""
        return self._answer("cost")

    def __reduce__(self) -> str | tuple[Any, ...]:
        self._answer("pickle")
        return EndingError, (self.field, self.end)

    def _answer(self, field: str) -> str:
        if self.field == field:
            raise self.end
        return "none"


class WithoutModuleError(Exception):
    """It was made by a program that names no module."""

    __module__: Any = None


def nested() -> Exception:
    """Return a group in more groups than calls may be nested."""
    error: Exception = ValueError("no")
    for _ in range(sys.getrecursionlimit() + 100):
        error = ExceptionGroup("one", [error])
    return error


@pytest.mark.parametrize("make", [lambda: HostileError("no"), WithoutNotesError, WithoutModuleError, nested])
def test_an_error_whose_fields_raise_is_a_failure_like_any_other(
    store: CheckpointStore, make: Callable[[], Exception]
) -> None:
    """Reading it never fails: its chunk is failed after all its tries, here or in another process; the others are done."""
    error = make()
    assert (trouble_of(error), is_transient(error), is_fatal(error), retry_after(error)) == (
        Trouble.NONE, True, False, None,
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(Raised(error))).as_failure() is not None

    def work(text: str) -> str:
        if text == "b":
            raise make()
        return text

    job = store.open_job("f", chunks=["a", "b", "c"])
    assert [item.index for item in job.map(work, on_error="record", wait=0)] == [0, 2]
    assert [record.chunk_index for record in job.failed_chunks()] == [1]
    assert len(list(job.attempts())) == 5


def refuse(_: object) -> Any:
    raise RuntimeError


OWN_FIELDS = ("__dict__", "__cause__", "__context__", "__suppress_context__", "__traceback__")


def test_an_error_that_hides_what_stands_behind_it_is_a_failure_like_any_other(store: CheckpointStore) -> None:
    """An error whose causes cannot be read fails its chunk after all tries, by its name, and the other chunk is done."""

    def work(text: str) -> str:
        if text in OWN_FIELDS:
            raise type("HidingError", (Exception,), {text: property(refuse, lambda *_: None)})
        return text

    job = store.open_job("f", chunks=[*OWN_FIELDS, "c"])
    assert [item.result for item in job.map(work, on_error="record", wait=0)] == ["c"]
    assert [record.attempt for record in job.failed_chunks()] == [3] * len(OWN_FIELDS)
    assert {str(record.error).partition(":")[0] for record in job.failed_chunks()} == {"HidingError"}


@pytest.mark.slow_variants
@pytest.mark.parametrize("field", [*OWN_FIELDS, "__class__"])
def test_an_error_that_hides_what_stands_behind_it_is_recorded_by_hand(store: CheckpointStore, field: str) -> None:
    """An error whose fields raise is kept, by its name, with the chunk or the job that it fails, and leaves its block."""
    hiding = type("HidingError", (Exception,), {field: property(refuse, lambda *_: None), "cost": 0.5})
    job = store.open_job("f", chunks=["a", "b"])
    next(job.pending()).fail(hiding())
    job.fail_chunk(1, hiding())
    assert {str(attempt.error).partition(":")[0] for attempt in job.attempts()} == {"HidingError"}
    assert job.costs().failed_cost == (0.0 if field == "__class__" else 1.0)
    job.fail(hiding())
    assert (job.status, str(job.state().error_message).partition(":")[0]) == ("failed", "HidingError")
    with pytest.raises(hiding), store.open_job("g", chunks=["a"]) as other:
        raise hiding
    assert (other.status, str(other.state().error_message).partition(":")[0]) == ("failed", "HidingError")
    with pytest.raises(hiding), store:
        raise hiding


@pytest.mark.slow_variants
@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("field", ["text", "cost"])
def test_an_error_that_ends_the_program_where_it_is_read_is_recorded(
    store: CheckpointStore, field: str, end: type[BaseException]
) -> None:
    """The loop ends as the exception asks, and the try has an error in the store, which names the exception."""

    def work(_: str) -> None:
        raise EndingError(field, end)

    job = store.open_job("f", chunks=["a"])
    with pytest.raises(end):
        list(job.map(work, wait=0))
    (attempt,) = job.attempts()
    assert (attempt.outcome, str(attempt.error).partition(":")[0].split()[0]) == ("failed", "EndingError")
    assert job.status == "paused"


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("field", ["text", "cost", "pickle"])
def test_an_error_that_ends_the_program_where_it_is_read_arrives_from_another_process(
    field: str, end: type[BaseException]
) -> None:
    """What ends the program while an exception is sent fails one call: the exception arrives as its name at least."""
    arrived = pickle.loads(pickle.dumps(Raised(EndingError(field, end)))).as_failure()
    assert "EndingError" in (type(arrived).__name__, getattr(arrived, "kind", ""))


def test_a_cost_that_is_no_amount_is_logged_without_secrets(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A text in the cost of an exception is logged as every other text is: what looks like a secret is replaced."""

    class Priced(Exception):
        cost = "0.5 USD, Authorization: Bearer q7Zt2LmX9cVb4Kd8Rw1Y"

    def work(_: str) -> None:
        raise Priced

    list(store.open_job("f", chunks=["a"]).map(work, wait=0, on_error="record"))
    assert "cost '0.5 USD, Authorization: Bearer [redacted]', which is no amount" in caplog.text
