"""A number stands beside its noun as people write it: ``1 chunk``, ``2 chunks``, in every message and on every screen."""

from __future__ import annotations

import re
from pathlib import Path

from each_case import each_case

from checkpoint_store import errors
from checkpoint_store.errors import counted

PACKAGE = Path(errors.__file__).parent
NOUNS = (
    *(
        "attempt",
        "backup",
        "byte",
        "call",
        "chunk",
        "completed chunk",
        "file",
        "handle",
        "job",
        "key",
        "place",
        "problem",
    ),
    *("result", "row", "runner", "thread", "time", "trie", "worker"),
)
NUMBERED = re.compile(rf"(?:\}}|%d|%s) (?:{'|'.join(NOUNS)})s\b")
NEVER_ONE = {
    "output.py": 1,  # a name that is too long
    "plan.py": 1,  # several workers
    "run_context.py": 1,  # several files
    "errors.py": 1,  # an id that names several jobs
    "json_text.py": 1,  # a limit
    "records.py": 1,  # a rate
    "destination.py": 2,  # several jobs, and a limit
    "target.py": 2,  # a path and a name that are too long
    "plots.js": 1,  # a rate
}
"""How many numbers of a file stand beside a plural because they are never 1."""


@each_case(("count", "text"), [(0, "0 chunks"), (1, "1 chunk"), (1_200, "1,200 chunks")])
def test_one_is_singular(count: int, text: str) -> None:
    """Thousands have a comma between them."""
    assert counted(count, "chunk") == text


@each_case(
    "error",
    [
        errors.JobPaused("j", 1),
        errors.ServiceUnavailable("j", 1, 5, "no"),
        errors.BudgetReached("j", 1, spent=1, reserved=0, dearest_cost=1, max_cost=1),
        errors.DeadlineReached("j", 1, 1),
        errors.CostUnknown("j", 1, 0, field="cost", value=None),
        errors.ChunkFailed("j", 1, "no"),
        errors.JobIncomplete("j", 1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_one_chunk(error: Exception) -> None:
    """A person who reads it does not stumble."""
    assert "1 chunk " in str(error)


def test_no_text_of_the_package_has_a_plural_for_a_number_that_may_be_one() -> None:
    """``counted`` (``countText`` on the page) writes both; what is never 1 is listed here."""
    found: dict[str, int] = {}
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.js")]:
        text = re.sub(r'""".*?"""', "", path.read_text("utf-8"), flags=re.DOTALL)
        for _ in NUMBERED.findall(text):
            found[path.name] = found.get(path.name, 0) + 1
    assert found == NEVER_ONE
