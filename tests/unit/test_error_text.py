"""The text of an error says what happened, whatever shape the exception has."""

from __future__ import annotations

import pickle
from concurrent.futures.process import _ExceptionWithTraceback  # type: ignore[attr-defined]
from urllib.error import URLError

import pytest

from checkpoint_store.errors import StorageFullError
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.model.error_text import describe, note_answer


def test_a_group_of_exceptions_says_what_its_members_say() -> None:
    """A job that a used-up quota pauses names the quota, also where a task group wrapped the error."""
    inner = ExceptionGroup("inner", [RuntimeError("quota used up")])
    group = ExceptionGroup("tasks failed", [ValueError("no JSON"), inner])
    assert describe(group) == (
        "ExceptionGroup: tasks failed (2 sub-exceptions): ValueError: no JSON; RuntimeError: quota used up"
    )
    many = ExceptionGroup("many", [ValueError(str(number)) for number in range(500)])
    assert describe(many).endswith("ValueError: 7; …")


def test_a_group_says_the_same_from_another_process() -> None:
    """A group that cannot be pickled arrives as text, with what its members say."""

    class Local(Exception):
        pass

    group = ExceptionGroup("tasks failed", [Local("quota used up")])
    rebuild, chain = Raised(group).__reduce__()
    assert describe(rebuild(*chain).error) == describe(group)
    assert describe(group).endswith("Local: quota used up")


def _raised(outer: Exception, *causes: Exception) -> Exception:
    """Return an exception that was raised from the first cause, which was raised from the next one, and so on."""
    try:
        raise outer from (_raised(*causes) if causes else None)
    except Exception as error:
        return error


def test_an_error_names_its_cause() -> None:
    """An error says why a call failed, also where the exception of the client or of the program does not."""
    refused = ConnectionRefusedError(111, "Connection refused")
    wrapped = _raised(RuntimeError("the chunk cannot be cleaned"), ConnectionError("Connection error."), refused)
    assert describe(wrapped) == (
        "RuntimeError: the chunk cannot be cleaned (caused by ConnectionError: Connection error.) "
        "(caused by ConnectionRefusedError: [Errno 111] Connection refused)"
    )
    repeated = _raised(RuntimeError("it failed: [Errno 111] Connection refused"), refused)
    assert describe(repeated) == "RuntimeError: it failed: [Errno 111] Connection refused"
    assert describe(_raised(RuntimeError("timed out"), TimeoutError())) == (
        "RuntimeError: timed out (caused by TimeoutError)"
    )
    disk = StorageFullError("/data/a.db", "the disk is full", 0)
    assert describe(_raised(disk, OSError(28, "No space"))) == describe(disk)


def test_an_error_names_its_cause_from_another_process() -> None:
    """The causes of an error stand in its text in the same way if it was raised in another process."""

    class Local(Exception):
        pass

    error = _raised(RuntimeError("no answer"), Local("[Errno 111] Connection refused"), Local("Connection refused"))
    assert describe(pickle.loads(pickle.dumps(Raised(error))).error) == describe(error)
    assert describe(error) == "RuntimeError: no answer (caused by Local: [Errno 111] Connection refused)"


def test_an_error_of_a_process_pool_does_not_name_a_traceback_as_its_cause() -> None:
    """Work in the caller's own pool fails, and the caller reports it: the message has no lines of the program."""
    error = URLError(ConnectionRefusedError(111, "Connection refused"))
    sent = pickle.loads(pickle.dumps(_ExceptionWithTraceback(error, None)))
    assert "Traceback" in type(sent.__cause__).__name__
    assert describe(sent) == describe(error)
    assert describe(pickle.loads(pickle.dumps(_ExceptionWithTraceback(ValueError("no answer"), None)))) == (
        "ValueError: no answer"
    )


@pytest.mark.parametrize("before", range(470, 500, 3))
def test_an_answer_is_cut_behind_its_secrets(before: int) -> None:
    """A key that stands where the words of a service are cut is replaced whole, in the message and in the note."""
    error = ValueError("refused")
    vars(error)["body"] = "x" * (before - 1) + " sk-abcd1234efgh5678ijkl9012mnop3456qrst7890uvwx12 is wrong"
    note_answer(error)
    (note,) = error.__notes__
    assert "sk-" not in describe(error) + note
