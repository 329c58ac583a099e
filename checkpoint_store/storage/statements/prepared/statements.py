"""All texts of the statements."""

from __future__ import annotations

from typing import Final

from checkpoint_store.storage.statements.prepared import attempts, jobs, results

SQLALCHEMY: Final = "2.1"
"""The version of SQLAlchemy that compiled the texts."""

STATEMENTS: Final[dict[str, str]] = {**jobs.TEXTS, **attempts.TEXTS, **results.TEXTS}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""
