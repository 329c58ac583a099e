"""The tables of the newest schema. Migrations make them; a test holds the two equal.

Every column is a JSON value: text, integer or null; JSON documents and times are text. ``JSON`` as a column type
would have numeric affinity in SQLite and change large integers and ``1.0``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    REAL,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

jobs: Final = Table(
    "jobs",
    metadata,
    # The order in which jobs were opened. Clocks jump, so "newest" is never asked of a time.
    Column("job_number", Integer, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("video_title", Text),
    Column("model", Text),
    Column("provider", Text),
    Column("total_chunks", Integer, nullable=False),
    # Kept by the completion itself, so that progress never scans.
    Column("completed_count", Integer, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("error_message", Text),
    Column("config", Text, nullable=False),
    # The digest of all chunks' fingerprints; null if the chunks were not at hand.
    Column("chunks_digest", Text),
    # The beginning of the last stretch of work; the rate is measured over the stretch.
    Column("stretch_started_at", Text, nullable=False),
    Column("stretch_completed_count", Integer, nullable=False),
    # 1 for the job that StateManager and the state file show.
    Column("is_current", Integer, nullable=False),
    # The job of the same file that was opened in place of this one; null for the job of a file that was opened last.
    Column("superseded_by", Text),
    # The version of the rule that made the fingerprints; a plan is compared by the rule that its job was made with.
    Column("fingerprint_rule", Integer, nullable=False, server_default=text("1")),
    # When results of other jobs were looked for last: this job's number, and how many jobs with smaller numbers there
    # were, with how many completed chunks. While the two are the same, only jobs opened since can have more to give.
    Column("looked_number", Integer),
    Column("looked_jobs", Integer),
    Column("looked_chunks", Integer),
    # A JSON object about the job that is no part of its plan; null if nobody gave any.
    Column("metadata", Text),
    # 1 where each chunk's work depends on the results before it.
    Column("sequential", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("job_id"),
    CheckConstraint("status IN ('pending', 'running', 'paused', 'completed', 'failed')", name="status"),
    CheckConstraint("total_chunks >= 0", name="total_chunks"),
    CheckConstraint("completed_count BETWEEN 0 AND total_chunks", name="completed_count"),
    CheckConstraint("is_current IN (0, 1)", name="is_current"),
)
Index("ix_jobs_file_name", jobs.c.file_name)
Index("uq_jobs_is_current", jobs.c.is_current, unique=True, sqlite_where=text("is_current = 1"))

completed_chunks: Final = Table(
    "completed_chunks",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("chunk_index", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("completed_at", Text, nullable=False),
    # The fingerprint of the chunk that the result was made from; null if only the number of chunks was known.
    Column("fingerprint", Text),
    # The digest of the result; null for a chunk that was completed without a result.
    Column("digest", Text),
    # Where the result is. A link instead of an index on (job_id, chunk_index) saves a page write per chunk and 55
    # bytes per result; it is no foreign key, because deleting a result would then scan this table.
    Column("result_id", Integer),
    # The job that paid for a result which was carried over; null where this job paid for it itself.
    Column("source_job_id", Text),
    # The chunk of the source job; it tells which carried results are the same one.
    Column("source_chunk_index", Integer),
    # The settings in which that job differs, as a JSON list; null where the result was made under this job's settings.
    Column("source_differs_in", Text),
    # The redo that the result answers: ``chunk_redos.asked_at`` of its mark. By it a copy of the mark in another job or
    # store is known to be answered. Null where the result answers none.
    Column("redo_asked_at", Text),
    CheckConstraint("chunk_index >= 0", name="chunk_index"),
    CheckConstraint("(digest IS NULL) = (result_id IS NULL)", name="result_id"),
    # Narrow rows, so one B-tree is better than a table and an index.
    sqlite_with_rowid=False,
)

chunk_results: Final = Table(
    "chunk_results",
    metadata,
    Column("result_id", Integer, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("chunk_index", Integer, nullable=False),
    Column("result", Text, nullable=False),
    # The digest again: a row that survives alone can still be verified.
    Column("digest", Text, nullable=False),
)

deleted_jobs: Final = Table(
    "deleted_jobs",
    metadata,
    # The deleted jobs, so that no older copy of the store, and no state file, brings them back.
    Column("job_id", Text, primary_key=True, nullable=False),
    Column("deleted_at", Text, nullable=False),
    sqlite_with_rowid=False,
)

runners: Final = Table(
    "runners",
    metadata,
    Column("runner_id", Integer, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), nullable=False),
    # A file beside the store that the runner keeps locked: whoever can lock it knows that the runner is gone.
    Column("lock_file", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    # 1 for a runner that shares the job with no other.
    Column("exclusive", Integer, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    UniqueConstraint("lock_file"),
    CheckConstraint("exclusive IN (0, 1)", name="exclusive"),
)
Index("ix_runners_at_work", runners.c.job_id, sqlite_where=text("ended_at IS NULL"))

attempts: Final = Table(
    "attempts",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("chunk_index", Integer, primary_key=True, nullable=False, autoincrement=False),
    # From 1, in the order of the tries at this chunk.
    Column("number", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("runner_id", Integer, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("outcome", Text, nullable=False),
    Column("error", Text),
    Column("seconds", REAL),
    # 0 for an attempt that does not count against max_attempts: see "counted" in docs/glossary.md.
    Column("counted", Integer, nullable=False),
    # 1 if the chunk is failed with this attempt: its attempts are used up, or another one would fail alike.
    Column("is_last", Integer, nullable=False),
    # What the attempt may spend while it is in work; null where no budget was set.
    Column("reserved_cost", REAL),
    # What the attempt cost, whatever its outcome; null where nobody said.
    Column("cost", REAL),
    # Set where another result has replaced the one that this attempt made, whose cost is then in ``cost``: the id of
    # the replaced result; 0 after a merge or a recovery. By it a loop knows whether it has counted the cost already.
    Column("replaced_result_id", Integer),
    CheckConstraint("outcome IN ('running', 'completed', 'failed', 'abandoned')", name="outcome"),
    CheckConstraint("counted IN (0, 1)", name="counted"),
    CheckConstraint("is_last IN (0, 1)", name="is_last"),
    sqlite_with_rowid=False,
)
# Both indexes hold few rows: a successful attempt costs them next to nothing.
Index("ix_attempts_running", attempts.c.runner_id, sqlite_where=text("outcome = 'running'"))
Index(
    "ix_attempts_in_trouble",
    attempts.c.job_id,
    attempts.c.chunk_index,
    sqlite_where=text("outcome IN ('failed', 'abandoned')"),
)
Index(
    "ix_attempts_replaced",
    attempts.c.job_id,
    attempts.c.replaced_result_id,
    sqlite_where=text("replaced_result_id IS NOT NULL"),
)

pauses: Final = Table(
    "pauses",
    metadata,
    # A loop ends when there is a pause of its job that is newer than its own beginning.
    Column("pause_id", Integer, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), nullable=False),
    Column("asked_at", Text, nullable=False),
    # Set by resume().
    Column("cleared_at", Text),
)
Index("ix_pauses_job_id", pauses.c.job_id)

chunk_keys: Final = Table(
    "chunk_keys",
    metadata,
    # The caller's key of each chunk; only for jobs whose chunks were given with keys.
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("chunk_index", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("key", Text, nullable=False),
    UniqueConstraint("job_id", "key"),
    CheckConstraint("chunk_index >= 0", name="chunk_index"),
    sqlite_with_rowid=False,
)

chunk_handles: Final = Table(
    "chunk_handles",
    metadata,
    # What a service calls the work that it holds for a chunk. The row stays when the chunk is complete.
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("chunk_index", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("handle", Text, nullable=False),
    # The fingerprint of the chunk: by it the handle can travel to another job as a result does; null if not known.
    Column("fingerprint", Text),
    Column("recorded_at", Text, nullable=False),
    CheckConstraint("chunk_index >= 0", name="chunk_index"),
    sqlite_with_rowid=False,
)
Index("ix_chunk_handles_fingerprint", chunk_handles.c.fingerprint, sqlite_where=text("fingerprint IS NOT NULL"))

chunk_redos: Final = Table(
    "chunk_redos",
    metadata,
    # Complete chunks that are to be done again. The earlier result stays, and the row goes when the new one is there.
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("chunk_index", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("asked_at", Text, nullable=False),
    # The number of the last attempt at the chunk at ``asked_at``: what an attempt up to it gives is no new result.
    Column("after_attempt", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("chunk_index >= 0", name="chunk_index"),
    sqlite_with_rowid=False,
)
