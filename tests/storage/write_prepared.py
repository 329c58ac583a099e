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
from checkpoint_store.storage.statements.prepared.columns import COLUMNS
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(prepared.__path__[0])
SQLALCHEMY = ".".join(sqlalchemy.__version__.split(".")[:2])
SPELLINGS = (1, 3)
"""The numbers of spellings of a file name: of ASCII, and of other names."""
BOTH = (False, True)
LINE_LENGTH = 120
END = '""",'
LITERAL = re.compile("'[^']*'")

FILES = {
    "inserts": ("compiled",),
    "jobs": ("job_endings", "job_rows", "jobs", "order"),
    "plans": ("plans",),
    "attempts": ("attempts",),
    "results": ("chunks", "completions", "costs", "results", "totals"),
    "chunks": ("handles", "redos"),
    "files": ("checks", "merging"),
}
"""By the file that has their texts: the modules and folders of statements."""

_IMPORTS = "from __future__ import annotations\n\nfrom typing import Final\n"
_BY_NAME = '"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""'


def columns() -> dict[str, tuple[str, ...]]:
    """The columns of each table."""
    return {table.name: tuple(table.columns.keys()) for table in tables.metadata.tables.values()}


def modules() -> list[Any]:
    """The modules that may have statements."""
    found = pkgutil.walk_packages(storage.__path__, f"{storage.__name__}.")
    return [import_module(module.name) for module in found if "alembic" not in module.name]


def in_forms() -> Iterator[Statement]:
    """Yield the statements that are made by functions, in the forms that ordinary work takes."""
    from checkpoint_store.storage.checks import integrity
    from checkpoint_store.storage.merging import chunk_facts
    from checkpoint_store.storage.merging.attempts import _RUNNER
    from checkpoint_store.storage.statements import compiled, costs
    from checkpoint_store.storage.statements.attempts import runners
    from checkpoint_store.storage.statements.jobs import jobs
    from checkpoint_store.storage.statements.plans import earlier_job

    for spellings in (0, *SPELLINGS):
        for with_results, incomplete in ((False, False), (True, False), (False, True)):
            yield jobs._list((), spellings=spellings, with_results=with_results, incomplete=incomplete)
        yield jobs._list(("status",), spellings=spellings, with_results=False, incomplete=False)
    yield jobs._list(("is_current",), spellings=0, with_results=False, incomplete=False)
    for spellings in SPELLINGS:
        yield jobs._supersede(spellings)
        yield from (earlier_job._of_file(spellings, with_digest=with_digest) for with_digest in BOTH)
    yield from map(jobs._insert, INSERTED_JOBS)
    yield from map(compiled.insert_into, ("attempts", "chunk_handles", "chunk_keys", "completed_chunks"))
    yield from map(compiled.insert_into, ("chunk_redos", "jobs", "runners"))
    yield compiled.insert_into("runners", _RUNNER)
    yield compiled.insert_into("runners", runners._ADDED)
    yield compiled.insert_into("pauses", ("job_id", "asked_at"))
    for one in BOTH:
        yield runners._at_work(of_one_job=one)
    for paths, goes_on in product(range(3), BOTH):
        yield costs._page(paths, goes_on=goes_on)
    yield from map(integrity._of_job, integrity._ROWS)
    for table in ("chunk_keys", "chunk_handles", "chunk_redos"):
        yield from (chunk_facts._rows(table), chunk_facts._add(table))


_STRETCH = ("stretch_started_at", "stretch_completed_count")
_STATE = (
    "status",
    "file_name",
    "video_title",
    "model",
    "provider",
    "total_chunks",
    "started_at",
    "error_message",
    "config",
)
INSERTED_JOBS = [
    (
        *("job_id", "status", "file_name", "video_title", "model", "provider", "total_chunks", "completed_count"),
        *(
            "started_at",
            "updated_at",
            "config",
            "chunks_digest",
            *_STRETCH,
            "fingerprint_rule",
            "metadata",
            "sequential",
        ),
    ),
    (*_STATE, "metadata", "updated_at", "job_id", "completed_count", *_STRETCH),
]
"""The columns of a job that begins, and of a job that comes from a state."""


def statements() -> dict[str, Statement]:
    """Every statement of the storage by its name, the statements that have forms in these forms."""
    values = [value for module in modules() for value in vars(module).values()]
    in_groups = chain.from_iterable(value for value in values if type(value) is tuple)
    in_modules = [value for value in (*values, *in_groups) if isinstance(value, Statement)]
    return {statement.name: statement for statement in (*in_modules, *in_forms())}


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


def source_of_columns() -> str:
    """The file with the columns of the tables."""
    body = [f"COLUMNS: Final[dict[str, tuple[str, ...]]] = {columns()!r}"]
    return "\n".join(['"""The columns of the tables."""', _IMPORTS, *body, '"""The names of the columns, by table."""'])


def source_of_statements() -> str:
    """The file that knows all texts, and the version of SQLAlchemy that compiled them."""
    imports = f"{_IMPORTS}\nfrom checkpoint_store.storage.statements.prepared import {', '.join(sorted(FILES))}\n"
    version = f'SQLALCHEMY: Final = "{SQLALCHEMY}"\n"""The version of SQLAlchemy that compiled the texts."""\n'
    every = ", ".join(f"**{file}.TEXTS" for file in FILES)
    body = [version, f"STATEMENTS: Final[dict[str, str]] = {{{every}}}", _BY_NAME]
    return "\n".join(['"""All texts of the statements."""', imports, *body])


def write() -> None:
    """Write the folder of the prepared texts."""
    sources = {"columns": source_of_columns(), "statements": source_of_statements()}
    sources |= {file: source_of_texts(file) for file in FILES}
    for file, source in sources.items():
        (FOLDER / f"{file}.py").write_text(f"{source}\n", "utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(FOLDER)], check=True)


if __name__ == "__main__":
    COLUMNS.update(columns())  # the modules that are imported now look for a table that is new
    write()
