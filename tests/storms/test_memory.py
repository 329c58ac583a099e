"""The memory of the process that drives a loop does not grow with the number of chunks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

if TYPE_CHECKING:
    from conftest import Children

# Prints its memory, as the kernel counts it, at each tenth of the chunks, and its peak when the store is closed.
SOURCE = program(__file__, "memory")


def measured(children: Children, total: int, *, keeps: bool = False) -> dict[str, Any]:
    """Go through ``total`` chunks with four threads; return what was measured, and print it."""
    process = children.start(SOURCE, total, "keeps" if keeps else "")
    output, errors = process.communicate(timeout=7000)
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(output)
    assert found["done"] == total
    memory = ", ".join(f"{megabytes:.1f}" for megabytes in found["rss"])
    print(f"FIGURES memory: chunks={total} keeps={keeps} MB at each tenth: {memory}; peak with the end: "
          f"{found['peak']:.1f}; seconds={found['seconds']:.0f}")  # fmt: skip
    return found


def growth(found: dict[str, Any]) -> float:
    """Return by how many MB the memory grew after the first tenth."""
    return float(max(found["rss"]) - found["rss"][0])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_chunks(children: Children) -> None:
    """A loop over thousands of chunks in four threads needs no more memory at its end than soon after its start."""
    found = measured(children, 12_000)
    assert growth(found) < 6
    assert found["peak"] < found["rss"][0] + 12


@pytest.mark.slow
def test_the_measure_sees_memory_that_grows(children: Children) -> None:
    """The control: the memory of a caller that keeps four kilobytes of each chunk grows."""
    assert growth(measured(children, 3_000, keeps=True)) > 9


@pytest.mark.storm
@pytest.mark.timeout(7200)
def test_memory_does_not_grow_with_a_million_chunks(children: Children) -> None:
    """A loop over a million chunks needs less than 12 more bytes a chunk."""
    found = measured(children, 1_000_000)
    assert growth(found) < 12
    assert found["peak"] < found["rss"][0] + 24
