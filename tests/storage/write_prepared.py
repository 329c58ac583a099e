"""Write the prepared texts of the statements: ``python tests/storage/write_prepared.py``, after each change of one.

A form is the arguments of a function that makes statements. A form that is not among these is compiled when a process
needs it first, for which the process imports SQLAlchemy.
"""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
import textwrap
from importlib import import_module
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy

from checkpoint_store import storage
from checkpoint_store.storage import tables
from checkpoint_store.storage.statements import prepared
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(prepared.__path__[0])
SQLALCHEMY = ".".join(sqlalchemy.__version__.split(".")[:2])
BOTH = (False, True)
LINE_LENGTH = 120
END = '""",'
LITERAL = re.compile("'[^']*'")

FILES = {
    "jobs": ("compiled", "job_endings", "job_rows", "jobs", "order", "plans"),
    "attempts": ("attempts", "handles", "merging", "redos"),
    "results": ("checks", "chunks", "completions", "costs", "results", "totals"),
}
"""By the file that has their texts: the modules and folders of statements."""

_IMPORTS = "from __future__ import annotations\n\nfrom typing import Final\n"
_BY_NAME = '"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""'


def columns() -> dict[str, set[str]]:
    """The columns of each table."""
    return {table.name: set(table.columns.keys()) for table in tables.metadata.tables.values()}


def modules() -> list[Any]:
    """The modules that may have statements."""
    found = pkgutil.walk_packages(storage.__path__, f"{storage.__name__}.")
    return [import_module(module.name) for module in found if "alembic" not in module.name]


def in_forms() -> Iterator[Statement]:
    """Yield the statements that are made by functions, in the forms that ordinary work takes."""
    from checkpoint_store.storage.statements import costs
    from checkpoint_store.storage.statements.attempts import runners

    for one in BOTH:
        yield runners._at_work(of_one_job=one)
    for of_field, goes_on in product(BOTH, BOTH):
        yield costs._page(of_field=of_field, goes_on=goes_on)


def statements() -> dict[str, Statement]:
    """Every statement of the storage by its name, the statements that have forms in these forms."""
    values = [value for module in modules() for value in vars(module).values()]
    in_groups = chain.from_iterable(value for value in values if type(value) is tuple)
    in_modules = [value for value in (*values, *in_groups) if isinstance(value, Statement)]
    every = (*in_modules, *in_forms())
    return {statement.name: statement for statement in every if not isinstance(statement._build(), str)}


def texts() -> dict[str, str]:
    """The statements as SQLAlchemy compiles them now, each on one line."""
    return {name: statement.compiled() for name, statement in sorted(statements().items())}


def written(name: str, text: str) -> str:
    """The entry of a statement, in lines of the usual length."""
    begin = f'    {json.dumps(name)}: """'
    wrapper = textwrap.TextWrapper(LINE_LENGTH, break_long_words=False, break_on_hyphens=False)
    whole = LITERAL.sub(lambda literal: literal[0].replace(" ", "\0"), text)  # no line ends in a text of SQL
    lines = [line.replace("\0", " ") for line in wrapper.wrap("." * len(begin) + whole)]
    lines[0] = begin + lines[0][len(begin) :]
    if text.endswith('"') or len(lines[-1]) + len(END) > LINE_LENGTH:
        lines.append("")
    return "\n".join(lines) + END


def file_of(name: str) -> str:
    """The file with the text of the statement of this name."""
    (file,) = (file for file, places in FILES.items() if name.split(".", maxsplit=1)[0] in places)
    return file


def source_of_texts(file: str) -> str:
    """A file of prepared texts."""
    purpose = f'"""The texts of the statements of {", ".join(f"``{place}``" for place in FILES[file])}."""'
    entries = (written(name, text) for name, text in texts().items() if file_of(name) == file)
    body = ["TEXTS: Final[dict[str, str]] = {", *entries, "}", _BY_NAME]
    return "\n".join([purpose, _IMPORTS, *body])


def source_of_statements() -> str:
    """The file that knows all texts, and the version of SQLAlchemy that compiled them."""
    imports = f"{_IMPORTS}\nfrom checkpoint_store.storage.statements.prepared import {', '.join(sorted(FILES))}\n"
    version = f'SQLALCHEMY: Final = "{SQLALCHEMY}"\n"""The version of SQLAlchemy that compiled the texts."""\n'
    every = ", ".join(f"**{file}.TEXTS" for file in FILES)
    body = [version, f"STATEMENTS: Final[dict[str, str]] = {{{every}}}", _BY_NAME]
    return "\n".join(['"""All texts of the statements."""', imports, *body])


def write() -> None:
    """Write the folder of the prepared texts."""
    sources = {"statements": source_of_statements()} | {file: source_of_texts(file) for file in FILES}
    for file, source in sources.items():
        (FOLDER / f"{file}.py").write_text(f"{source}\n", "utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(FOLDER)], check=True)


if __name__ == "__main__":
    write()
