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

SQLALCHEMY = ".".join(sqlalchemy.__version__.split(".")[:2])
BOTH = (False, True)
LITERAL = re.compile("'[^']*'")

HEAD = f"""\"\"\"The texts of the statements, as SQLAlchemy compiles them from the tables: all SQL that ordinary work runs.

``python tests/storage/write_prepared.py`` writes this file, and a test compares it with the statements. These texts are
run whatever SQLAlchemy is installed.
\"\"\"

from __future__ import annotations

from typing import Final

SQLALCHEMY: Final = "{SQLALCHEMY}"
\"\"\"The version of SQLAlchemy that compiled the texts.\"\"\"
STATEMENTS: Final[dict[str, str]] = """
FOOT = '"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""'


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
    return {statement.name: statement for statement in every if not isinstance(statement.expression, str)}


def texts() -> dict[str, str]:
    """The statements as SQLAlchemy compiles them now, each on one line."""
    return {name: statement.compiled() for name, statement in sorted(statements().items())}


def write() -> None:
    """Write the file of the prepared texts, each text on one line."""
    entries = (f"    {json.dumps(name)}: {json.dumps(text)},\n" for name, text in texts().items())
    path = Path(prepared.__file__)
    path.write_text(f"{HEAD}{{\n{''.join(entries)}}}\n{FOOT}\n", "utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(path)], check=True)


if __name__ == "__main__":
    write()
