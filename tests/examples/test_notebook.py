"""``examples/notebook.ipynb``, run from the first cell to the last."""

from __future__ import annotations

import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from conftest import ROOT, program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
_CHANGES = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"datetime\.datetime\([^)]*\)|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (r"(, [\d,.]+ chunks a minute)?</span>|chunks_per_minute=[\w.]+", "RATE"),
)

RUN_ALL_CELLS = program(__file__, "run_all_cells")
"""In a process of its own: the client leaves sockets to the garbage collection."""


@pytest.fixture
def sockets() -> Iterator[str]:
    """A folder whose path is short enough for sockets."""
    folder = tempfile.mkdtemp(dir="/tmp")
    yield folder
    shutil.rmtree(folder)


def _text(output: Any) -> str:
    return str(output.get("text") or sorted(output["data"].items()))


def shown(notebook: Any) -> list[str]:
    """What the cells show, without what differs from run to run."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    text = ["".join(_text(output) for output in cell.outputs) for cell in cells]  # a slow print comes in pieces
    for pattern, replacement in _CHANGES:
        text = [re.sub(pattern, replacement, one) for one in text]
    return text


@pytest.mark.slow
def test_the_notebook_shows_what_happens(
    tmp_path: Path, sockets: str, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who runs all cells sees the outputs that are in the file, and no error."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    children.run(RUN_ALL_CELLS, NOTEBOOK, f"{sockets}/k")
    expected, notebook = (nbformat.read(path, as_version=4) for path in (NOTEBOOK, tmp_path / "run.ipynb"))
    assert shown(notebook) == shown(expected)
    assert len(shown(expected)) == 5
    with CheckpointStore(tmp_path / "lecture.db") as store:
        (job,) = store.jobs()
        assert (job.status, job.in_doubt_chunks()) == ("completed", [])
