"""SQLAlchemy Core and ORM, written plainly, as the manual shows it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm import Session as OrmSession

from benchmarks import workload
from benchmarks.contenders import Contender, Session

if TYPE_CHECKING:
    from pathlib import Path

metadata: Final = MetaData()
jobs: Final = Table("jobs", metadata, Column("job_id", Text, primary_key=True), Column("updated_at", Text))
completed_chunks: Final = Table(
    "completed_chunks",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("chunk_index", Integer, primary_key=True),
    Column("completed_at", Text),
    sqlite_with_rowid=False,
)
chunk_results: Final = Table(
    "chunk_results",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("chunk_index", Integer, primary_key=True),
    Column("result", Text),
)


class Base(DeclarativeBase):
    """What the ORM's classes share."""


class JobRow(Base):
    """A job."""

    __tablename__ = "jobs"
    job_id: Mapped[str] = mapped_column(Text, primary_key=True)
    updated_at: Mapped[str | None] = mapped_column(Text)


class ChunkRow(Base):
    """A completed chunk."""

    __tablename__ = "completed_chunks"
    job_id: Mapped[str] = mapped_column(Text, primary_key=True)
    chunk_index: Mapped[int] = mapped_column(primary_key=True)
    completed_at: Mapped[str] = mapped_column(Text)


class ResultRow(Base):
    """A result."""

    __tablename__ = "chunk_results"
    job_id: Mapped[str] = mapped_column(Text, primary_key=True)
    chunk_index: Mapped[int] = mapped_column(primary_key=True)
    result: Mapped[str] = mapped_column(Text)


def _engine(folder: Path) -> Engine:
    engine = create_engine(f"sqlite:///{folder / 'sqlalchemy.db'}")

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(jobs.insert(), {"job_id": workload.JOB_ID})
    return engine


class Core(Session):
    """Core, a transaction from ``engine.begin()`` for each chunk."""

    def __init__(self, folder: Path) -> None:
        self._engine = _engine(folder)

    def step(self, index: int, item: Any) -> None:
        at = datetime.now(UTC).isoformat()
        key = {"job_id": workload.JOB_ID, "chunk_index": index}
        with self._engine.begin() as connection:
            connection.execute(completed_chunks.insert(), {**key, "completed_at": at})
            connection.execute(chunk_results.insert(), {**key, "result": json.dumps(item, ensure_ascii=False)})
            connection.execute(jobs.update().where(jobs.c.job_id == workload.JOB_ID).values(updated_at=at))

    def close(self) -> None:
        self._engine.dispose()


class Orm(Core):
    """The ORM, a Session for each chunk."""

    def step(self, index: int, item: Any) -> None:
        at = datetime.now(UTC).isoformat()
        text = json.dumps(item, ensure_ascii=False)
        with OrmSession(self._engine) as session:
            job = session.get_one(JobRow, workload.JOB_ID)
            job.updated_at = at
            session.add(ChunkRow(job_id=workload.JOB_ID, chunk_index=index, completed_at=at))
            session.add(ResultRow(job_id=workload.JOB_ID, chunk_index=index, result=text))
            session.commit()


PLAIN: Final = [
    Contender("SQLAlchemy Core, engine.begin()", Core, fill_limit=10_000),
    Contender("SQLAlchemy ORM, Session per chunk", Orm, fill_limit=10_000, block=0.4),
]
