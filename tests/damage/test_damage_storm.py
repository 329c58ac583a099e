"""Damaged stores by the hundred: noticed, brought back from every copy, and never a wrong result."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from .wrecks import Look, Outcome, Yard, figures, make_yard, wreck

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Folders of a store at several moments; ``stranger`` is another store's."""
    yard = make_yard(tmp_path / "yard", 1)
    stranger = make_yard(tmp_path / "other", 2)
    shutil.copytree(stranger.folder / "middle", yard.folder / "stranger")
    return yard


def _storm(yard: Yard, tmp_path: Path, seeds: range) -> list[Outcome]:
    outcomes = []
    for seed in seeds:
        folder = tmp_path / f"wreck-{seed}"
        how = f"seed {seed}: {wreck(yard, folder, seed)}"
        try:
            outcomes.append(Look(yard, folder, how).run())
        except Exception as error:
            error.add_note(how)
            raise
        shutil.rmtree(folder)
    return outcomes


def _judge(outcomes: list[Outcome]) -> None:
    print(figures(outcomes))
    assert [wrong for one in outcomes for wrong in one.silent_wrong] == []
    assert [one for one in outcomes if one.lost_though_known] == []


@pytest.mark.slow
def test_damage_is_noticed_and_no_result_is_ever_wrong(yard: Yard, tmp_path: Path) -> None:
    """Each result that is read is the stored one, or the damage is reported, whatever happened to the files."""
    _judge(_storm(yard, tmp_path, range(25)))


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_a_thousand_damaged_stores(yard: Yard, tmp_path: Path) -> None:
    """In a thousand damaged stores, each result that is read is the stored one, or the damage is reported."""
    _judge(_storm(yard, tmp_path, range(1000, 2000)))
