"""The table of extras: each with a size, and none that does not exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rows() -> list[tuple[list[str], list[str]]]:
    """The names and the sizes of each row of the table, in megabytes."""
    lines = [line.split("|") for line in (ROOT / "docs" / "install.md").read_text("utf-8").splitlines()]
    cells = [(line[1], line[3]) for line in lines if len(line) == 5 and ("`" in line[1] or line[1].strip() == "none")]
    return [(re.findall(r"`(\w+)`", names) or ["none"], re.findall(r"[\d,]*\d", sizes)) for names, sizes in cells]


def test_every_extra_has_a_size() -> None:
    """Whoever has little room on the disk reads what each extra takes; there is no row for an extra that is gone."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert sorted(name for names, _ in rows() for name in names) == sorted(["none", *extras])
    assert [names for names, sizes in rows() if len(names) != len(sizes)] == []
