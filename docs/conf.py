"""How Sphinx builds the site: ``sphinx-build -W docs site``."""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint_store import __version__

if TYPE_CHECKING:
    from types import ModuleType

    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from generated import PAGES  # noqa: E402 - it lies beside this file, which Sphinx does not import as a package

with (HERE.parent / "pyproject.toml").open("rb") as _file:
    _project = tomllib.load(_file)["project"]

project = "checkpoint_store"
author = "the authors of checkpoint_store"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

highlight_language = "none"  # a block without a language is a drawing

html_theme = "furo"
html_title = "checkpoint_store"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False

myst_heading_anchors = 3

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # a default is shown as it is written
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
suppress_warnings = ["myst.header"]  # the included changelog begins below the title of its page


def _fill(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put what is made from the code into the page that has a place for it, and lead other links to the repository."""
    make = PAGES.get(page)
    if make is not None:
        source[0] = source[0].replace("<!-- generated -->", make())
    source[0] = re.sub(r"\]\(\.\./(?=[\w.])", f"]({_project['urls']['Source']}/blob/main/", source[0])


MADE_BY_THE_LIBRARY = {"Attempt", "Job", "PendingChunk"}


def _signature(
    _app: Sphinx, what: str, _name: str, described: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Show what a constant stands for as a default; show no signature of what nobody makes but the library."""
    if not signature:
        return None
    if what == "exception" or getattr(described, "__name__", "") in MADE_BY_THE_LIBRARY:
        return "", None
    made_by = described.__init__ if inspect.isclass(described) else described
    module = sys.modules.get(made_by.__module__, sys.modules[described.__module__])
    made = signature.replace("=<factory>", "=...").replace(" = <factory>", " = ...")
    return re.sub(r"= ([A-Z_]+)\b", lambda match: f"= {_value(module, match[1])}", made), returns


def _value(module: ModuleType, name: str) -> str:
    value = getattr(module, name, None)
    return repr(value) if isinstance(value, str | int | float) else name


def _hide_colons(_app: Sphinx, what: str, _name: str, _described: object, _options: object, lines: list[str]) -> None:
    """Keep Napoleon from taking what stands before a colon in an attribute's first sentence for a type."""
    if what in {"attribute", "property", "data"}:
        lines[:] = [line.replace(":", "\0") for line in lines]


def _show_colons(_app: Sphinx, _what: str, _name: str, _described: object, _options: object, lines: list[str]) -> None:
    lines[:] = [line.replace("\0", ":") for line in lines]


def setup(app: Sphinx) -> None:
    """Let Sphinx fill the generated pages as it reads them."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _hide_colons, priority=400)  # before Napoleon, whose priority is 500
    app.connect("autodoc-process-docstring", _show_colons, priority=600)
