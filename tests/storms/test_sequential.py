"""A sequential job under kills, edits and two processes: nothing is paid twice, and nothing is told out of context."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

from .plans import run_plans

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

BOOK = program(__file__, "sequential_book")


def changed(pages: list[str], number: int, dice: random.Random) -> list[str]:
    """The book after somebody worked on it: an edit, an insertion, a cut, a new page, or nothing."""
    at = dice.randrange(len(pages) + 1)
    return [
        [*pages[:at], f"edit {number}", *pages[at + 1 :]],
        [*pages[:at], f"insertion {number}", *pages[at:]],
        pages[: max(at, 2)],
        [*pages, f"page {number}"],
        pages,
    ][dice.randrange(5)]


class Book:
    """A book, everything that was tried on it, and what it should hold."""

    def __init__(self, folder: Path, children: Children, seed: int, *, sequential: bool) -> None:
        self.folder, self.children, self.sequential = folder, children, sequential
        self.dice = random.Random(seed)
        self.versions = [[f"page {number}" for number in range(4)]]
        self.kills = 0

    def run(self, pages: list[str], *kills_after: int | None) -> None:
        """Tell a version of the book in as many processes, each of which dies where its number says."""
        plans = []
        for kill_after in kills_after:
            plan = {"pages": pages, "kill_after": kill_after, "in_work": self.dice.random() < 0.5}
            plan |= {"sequential": self.sequential, "workers": self.dice.randint(1, 3) if self.sequential else 1}
            plans.append(plan)
        self.kills += run_plans(self.children, BOOK, plans)

    def work_on(self, number: int) -> None:
        """Change the book, or take a change back, and tell it in one process or two."""
        pages = changed(self.versions[-1], number, self.dice)
        if self.dice.random() < 0.25:
            pages = self.dice.choice(self.versions)
        self.versions.append(pages)
        kills = [self.dice.choice([None, 1, 2, 3, 4]) for _ in range(self.dice.randint(1, 2))]
        self.run(pages, *kills)

    def problems(self) -> dict[str, Any]:
        """What was paid for twice, and each result that was made from another one than stands before it."""
        paid = Counter((self.folder / "paid.log").read_text().split())
        torn = []
        with CheckpointStore(self.folder / "book.db") as store:
            assert store.check() == []
            for job in store.jobs():
                found = dict(job.items())
                for index, result in found.items():
                    before = found.get(index - 1)
                    if result["from"] != (before and before["id"]):
                        torn.append((job.job_id, index))
        return {"paid twice": [text for text, count in paid.items() if count > 1], "out of context": torn}


def storm(folder: Path, children: Children, seed: int, steps: int, *, sequential: bool) -> Book:
    """A book after so many changes and runs; the last run comes to its end."""
    book = Book(folder, children, seed, sequential=sequential)
    for number in range(steps):
        book.work_on(number)
    book.run(book.versions[-1], None)
    return book


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.storm), pytest.param(3, marks=pytest.mark.storm)]
)
def test_a_book_is_told_in_order_whatever_happens(seed: int, tmp_path: Path, children: Children, request: Any) -> None:
    """Each page was paid for once, after the very page that stands before it; the last version is complete."""
    steps = 40 if request.node.get_closest_marker("storm") else 8
    book = storm(tmp_path, children, seed, steps, sequential=True)
    assert book.problems() == {"paid twice": [], "out of context": []}
    assert book.kills > 0
    with CheckpointStore(tmp_path / "book.db") as store:
        job = store.job("book.txt")
        assert [result["page"] for result in job.results()] == book.versions[-1]


@pytest.mark.slow
def test_without_chaining_pages_are_told_out_of_context(tmp_path: Path, children: Children) -> None:
    """The control: the same book, told by a job that is not sequential, keeps pages behind an edit, and is noticed."""
    book = Book(tmp_path, children, 1, sequential=False)
    book.run(book.versions[0], None)
    edited = ["page 0", "edit", "page 2", "page 3"]
    book.run(edited, None)
    assert book.problems()["out of context"] != []
