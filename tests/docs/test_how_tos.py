"""What the how-tos show is what happens, with stand-ins for the services that cost money."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .stand_ins import service, write_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_HELD_ELSEWHERE = ("completion", "notebook", "streamlit")
PAGES = sorted(
    set((ROOT / "docs").glob("how-to-*.md")) - {ROOT / "docs" / f"how-to-{name}.md" for name in _HELD_ELSEWHERE}
)
"""All but the pages of another kind: one that shells read, and two with the code of examples (test_shown_examples.py)."""
NEEDS = ("jq", "curl", "bash")
_CHANGES = (
    (r"(?m)^\d\d:\d\d:\d\d  .*\n", ""),  # how far a run is, every ten seconds: on a slow machine
    (r"in [\d.]+ s; work p50 [\d.]+ s, p95 [\d.]+ s, p99 [\d.]+ s", "in T s; work p50 T s, p95 T s, p99 T s"),
    (r"in \d+(?:\.\d)? s", "in T s"),
    (r"(passed|failed) in [\d.]+s(?: \([\d:]+\))?", r"\1 in T s"),
    (r"seconds [\d.]+", "seconds T"),
    (r"job [0-9a-f]{8}\b", "job ID"),
    (r"\b[0-9a-f]{8}  ", "ID  "),
)


def steps(page: Path) -> Iterator[tuple[str, str]]:
    """The commands of a page's console blocks, each with the output that the page shows."""
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            match = re.match(r"(?:.*\\\n)*.*\n", part)
            assert match is not None
            yield match[0].rstrip("\n"), part[match.end() :]


def compared(output: str) -> str:
    """An output without what differs from run to run: times and ids, and the lines of a run that takes long."""
    for pattern, replacement in _CHANGES:
        output = re.sub(pattern, replacement, output)
    return output


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """A running service."""
    with service() as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_how_to_shows_what_happens(page: Path, tmp_path: Path, base_url: str) -> None:
    """A reader who types the commands of the page, in order, sees the output of the page. A file that is shown before
    any command made it is the reader's own.
    """
    text = page.read_text("utf-8")
    for name in NEEDS:
        if re.search(rf"\b{name}\b", text) and shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    for extra in ("distributed", "ray"):
        if re.search(rf"^(?:import|from) {extra}\b", text, re.MULTILINE):
            pytest.importorskip(extra)
    if "clean_chunk.py" in text:
        pytest.importorskip("openai")
        shutil.copy(ROOT / "examples" / "clean_chunk.py", tmp_path)
    if "python two_stages.py" in text:
        shutil.copy(ROOT / "examples" / "two_stages.py", tmp_path)
    if "audio_files.py" in text:
        shutil.copy(ROOT / "examples" / "audio_files.py", tmp_path)
    (tmp_path / "bin").mkdir()
    write_programs(tmp_path / "bin")
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = kept | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "x",
    }
    environment.pop("COLUMNS", None)
    taken = list(steps(page))
    assert len(taken) >= 3
    script = ["exec 2>&1"]
    for number, (command, shown) in enumerate(taken):
        if own := re.fullmatch(r"cat ([\w.-]+)", command):
            (tmp_path / "bin" / f"shown-{number}").write_text(shown, "utf-8")
            script.append(f"[ -e {own[1]} ] || cp {tmp_path}/bin/shown-{number} {own[1]}")
        script += [command, r"printf '\036'"]
    typed = [
        "bash",
        "-c",
        "\n".join(script),
    ]  # in a single shell, as a reader types: a folder that it enters stays its folder
    done = subprocess.run(
        typed, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False
    )
    for (command, shown), printed in zip(taken, done.stdout.decode().split("\036"), strict=False):
        assert compared(printed) == compared(shown), command
    assert done.stdout.count(b"\036") == len(taken)


def test_the_pages_are_found() -> None:
    """The control: the how-tos are there, and a wrong output of a page is seen."""
    assert len(PAGES) >= 5
    assert compared("✓ a  1 chunk done in 0.3 s") == compared("✓ a  1 chunk done in 12 s")
    assert compared("2 chunks done in 0.3 s") != compared("1 chunk done in 0.3 s")
