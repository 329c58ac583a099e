"""The text of an error says what happened, whatever shape the exception has."""

from __future__ import annotations

from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.model.error_text import describe


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
