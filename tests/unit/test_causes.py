"""Which exceptions an exception reports, where it was raised without ``from``."""

from __future__ import annotations

import pickle
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from each_case import each_case

from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.retry_policy import as_work_failed, is_fatal, is_transient, matcher
from checkpoint_store.loop.service.service_errors import Trouble, may_have_arrived, trouble_of
from checkpoint_store.model.error_text import raised_from
from checkpoint_store.model.money import cost_of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Refused(Exception):
    """What a client raises for the answer of a service."""

    def __init__(self, status_code: int, text: str = "the service refused it", **fields: Any) -> None:
        super().__init__(text)
        self.status_code = status_code
        for name, value in fields.items():
            setattr(self, name, value)

    def __reduce__(self) -> Any:
        return Refused, (self.status_code, str(self)), vars(self)


def refuse(status: int, **fields: Any) -> None:
    raise Refused(status, **fields)


def raise_error(error: Exception) -> None:
    raise error


def from_call(call: Callable[[], object]) -> Exception:
    """Return what a call raises."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("it raises nothing")


# -- what is reported


def in_own_words() -> None:
    """As much code of users does."""
    try:
        refuse(401)
    except Refused:
        raise RuntimeError("the talk could not be cleaned")


def in_own_words_twice() -> None:
    try:
        in_own_words()
    except RuntimeError:
        raise ValueError("chunk 3")


def by_a_helper() -> None:
    """As litellm does: a function of its own raises, with the text in it."""
    try:
        refuse(401)
    except Refused as error:
        raise_error(RuntimeError(f"AuthenticationError: OpenAIException - {error}"))


def by_a_helper_with_the_message() -> None:
    """As litellm does with an error of openai, whose text has more than the message of the service."""
    body = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    try:
        refuse(429, text=f"Error code: 429 - {body}", body=body)
    except Refused as error:
        raise_error(Refused(429, f"litellm.RateLimitError: {error.body['message']}"))  # type: ignore[attr-defined]


def with_its_traceback() -> None:
    """As LangChain does for Bedrock."""
    try:
        refuse(403)
    except Refused as error:
        raise ValueError(f"Error raised by bedrock service: {error}").with_traceback(error.__traceback__)


def in_a_context_manager() -> None:
    """As clients do that translate the errors of the library below them."""

    @contextmanager
    def translated() -> Iterator[None]:
        try:
            yield
        except Refused:
            raise RuntimeError("no")

    with translated():
        refuse(402)


def in_an_attribute() -> None:
    """As azure-core does, whose exceptions have no cause."""
    error = RuntimeError("no")
    error.inner_exception = Refused(401)  # type: ignore[attr-defined]
    raise error


FATAL = (
    in_own_words,
    in_own_words_twice,
    by_a_helper,
    by_a_helper_with_the_message,
    with_its_traceback,
    in_a_context_manager,
    in_an_attribute,
)


@each_case("call", FATAL)
def test_what_an_error_reports_without_from_stops_the_job(call: Callable[[], None]) -> None:
    """A bad key and a used-up quota, behind an exception that was raised inside of ``except``; also elsewhere."""
    error = from_call(call)
    arrived = pickle.loads(pickle.dumps(Raised(error))).error
    assert (is_fatal(error), is_fatal(arrived), is_fatal(as_work_failed(error, "no", ""))) == (True, True, True)


def wrapped(error: Exception) -> Exception:
    """Return an exception of the caller's own that was raised while another one was handled."""

    def call() -> None:
        try:
            raise error
        except Exception:
            raise RuntimeError("the talk could not be cleaned")

    return from_call(call)


def test_the_rest_of_an_answer_is_read_there_too() -> None:
    """Trouble of the service, the time to wait, types of ``retry_on``, and what the try cost."""
    busy, broken = wrapped(Refused(429, retry_after=7)), wrapped(ConnectionResetError())
    assert (trouble_of(busy), retry_after(busy), trouble_of(broken)) == (Trouble.BUSY, 7, Trouble.NO_ANSWER)
    assert (may_have_arrived(broken), may_have_arrived(wrapped(ConnectionRefusedError()))) == (True, False)
    assert matcher("retry_on", Refused, is_transient)(busy)
    assert cost_of_error(wrapped(Refused(500, cost=0.25))) == 0.25


# -- what is not


def by_another_call() -> None:
    """Another model is asked after the first refused, and fails for its own reason."""
    try:
        refuse(401)
    except Refused:
        refuse(429, text="slow down")


def by_a_step_of_the_handler() -> None:
    """The handler takes something else instead, which is not there."""
    try:
        refuse(401)
    except Refused:
        int("no number")


def from_nothing() -> None:
    try:
        refuse(401)
    except Refused:
        raise RuntimeError("nobody is to know") from None


def after_the_handler() -> None:
    with suppress(Refused):
        refuse(401)
    raise RuntimeError("no")


@each_case("call", [by_another_call, by_a_step_of_the_handler, from_nothing, after_the_handler])
def test_an_unrelated_failure_is_not_taken_for_the_cause(call: Callable[[], None]) -> None:
    """What failed while another failure was handled stands for itself, here and from another process."""
    error = from_call(call)
    arrived = pickle.loads(pickle.dumps(Raised(error))).error
    assert [is_fatal(link) for link in (error, arrived, as_work_failed(error, "no", ""))] == [False] * 3
    assert trouble_of(arrived) is trouble_of(error) is (Trouble.BUSY if call is by_another_call else Trouble.NONE)


def test_a_short_text_is_no_sign() -> None:
    """A word such as "no" stands in many texts."""

    def call() -> None:
        try:
            refuse(401, text="no")
        except Refused:
            raise_error(RuntimeError("no answer in time"))

    assert raised_from(from_call(call)) is None


def test_an_unrelated_failure_stays_readable_from_another_process() -> None:
    """A person who reads the traceback still sees what failed before."""
    arrived = pickle.loads(pickle.dumps(Raised(from_call(by_another_call)))).error
    assert (arrived.__cause__, arrived.__context__.status_code) == (None, 401)


def test_an_exception_with_a_note_brings_its_traceback_from_another_process() -> None:
    """The note of the caller's own stays, and the line that failed is shown once, however often it is sent."""

    def fail_here() -> None:
        error = ValueError("no")
        error.add_note("page 7 of the scan")
        raise error

    arrived = from_call(fail_here)
    for _ in range(2):
        arrived = pickle.loads(pickle.dumps(Raised(arrived))).error
    assert (arrived.__notes__[0], len(arrived.__notes__)) == ("page 7 of the scan", 2)
    assert "in fail_here" in arrived.__notes__[1]


def test_fields_that_raise_are_passed_over() -> None:
    """Reading an exception never fails."""

    class Hostile(Exception):
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __str__(self) -> str:
            raise RuntimeError

    def call() -> None:
        try:
            raise Hostile
        except Hostile:
            raise_error(RuntimeError("could not be had"))

    assert (raised_from(from_call(call)), raised_from(Hostile())) == (None, None)
