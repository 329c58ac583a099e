"""The how-tos for notebooks and for Streamlit show the examples that ``tests/examples`` runs."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TAGS = re.compile(r"<[^>]+>")


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a how-to in a language, in order."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def outputs(cell: dict) -> list[str]:
    """What a cell shows to a person."""
    shown = [output.get("text") or output["data"]["text/html"] for output in cell["outputs"]]
    return [_TAGS.sub(" ", "".join(one)) for one in shown]


def test_the_notebook_page_shows_the_cells_of_the_example() -> None:
    """A reader sees each cell of the notebook that the tests run, in its order, and what it shows."""
    notebook = json.loads((ROOT / "examples" / "notebook.ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]) + "\n" for cell in cells] == blocks("how-to-notebook.md", "py")
    printed = [one for cell in cells for one in outputs(cell)]
    shown = blocks("how-to-notebook.md", "text")
    assert len(printed) == len(shown) == 5
    assert [text.strip() for text, whole in zip(shown, printed, strict=True) if text.strip() not in whole] == []


def test_the_streamlit_page_shows_the_whole_example() -> None:
    """A reader who copies the pieces of the page, one after the other, has the app that the tests run."""
    example = ast.parse((ROOT / "examples" / "streamlit_app.py").read_text("utf-8"))
    page = ast.parse("\n".join(blocks("how-to-streamlit.md", "py")))
    docstring, future, *rest = example.body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(future, ast.ImportFrom)
    assert future.module == "__future__"
    assert [ast.unparse(one) for one in page.body] == [ast.unparse(one) for one in rest]
