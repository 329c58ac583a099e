"""The error tree: fields, pickling, and messages that say what to do."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path

import pytest
from each_case import each_case

from checkpoint_store import errors
from checkpoint_store.errors import CheckpointStoreError, Difference

JOB = "0f4c3d2e-1111-4222-8333-444455556666"
DIFFERENCE = Difference("model", "'small'", "'large'")
PATH = "/data/talks.db"

# Each error as the library raises it, the fields that it must carry, and words of its remedy.
EXAMPLES = {
    "CheckpointStoreError": (CheckpointStoreError("what happened"), {}, "what happened"),
    "InvalidArgumentError": (
        errors.InvalidArgumentError("total_chunks", -1, "is not a whole number from 0"),
        {"name": "total_chunks", "value": "-1"},
        "not a whole number from 0",
    ),
    "UnknownOptionError": (
        errors.UnknownOptionError("retries", 3, "is no option of map(): did you mean max_attempts?"),
        {"name": "retries", "value": "3"},
        "did you mean max_attempts?",
    ),
    "StoreTargetError": (
        errors.StoreTargetError(Path("/data"), "it is a folder; give the path of a file"),
        {"target": "/data", "reason": "it is a folder; give the path of a file"},
        "give the path of a file",
    ),
    "ReportTargetError": (
        errors.ReportTargetError(Path("/data/report.html"), "it is there and is no report; name another file"),
        {"target": "/data/report.html", "reason": "it is there and is no report; name another file"},
        "name another file",
    ),
    "StoreBusy": (
        errors.StoreBusy(Path(PATH), 2.5, "another thread"),
        {"path": PATH, "waited_seconds": 2.5},
        "call again",
    ),
    "StoreInUse": (
        errors.StoreInUse(PATH, 2.5, [7]),
        {"path": PATH, "waited_seconds": 2.5, "holders": (7,)},
        "process 7 has it open; end it first",
    ),
    "ErasureUnfinished": (
        errors.ErasureUnfinished(PATH, f"job {JOB}", 10.0, [7]),
        {"path": PATH, "what": f"job {JOB}", "waited_seconds": 10.0, "holders": (7,)},
        "process 7",
    ),
    "StorageFullError": (
        errors.StorageFullError(PATH, "No space left on device", 4096),
        {"path": PATH, "reason": "No space left on device", "free_bytes": 4096},
        "Make room",
    ),
    "StorageUnavailableError": (
        errors.StorageUnavailableError(PATH, "Input/output error"),
        {"path": PATH, "reason": "Input/output error"},
        "call again",
    ),
    "StoreClosed": (
        errors.StoreClosed(PATH),
        {"path": PATH, "reason": "this store was closed"},
        f"open it again with CheckpointStore({PATH!r})",
    ),
    "StoreDamaged": (
        errors.StoreDamaged(PATH, "the digest differs", job_id=JOB, chunk_index=3),
        {"path": PATH, "reason": "the digest differs", "job_id": JOB, "chunk_index": 3},
        "Nothing was deleted",
    ),
    "SchemaTooNew": (
        errors.SchemaTooNew(PATH, "9.0", "1.0"),
        {"path": PATH, "found": "9.0", "known": "1.0"},
        "pip install --upgrade checkpoint-store",
    ),
    "SchemaTooOld": (
        errors.SchemaTooOld(PATH, "1.0", "1.1"),
        {"path": PATH, "found": "1.0", "needed": "1.1"},
        f"migrate({str(PATH)!r})",
    ),
    "MigrationFailed": (
        errors.MigrationFailed(PATH, "1.0", "1.1", "disk full", Path("/data/talks.db.1.0")),
        {"path": PATH, "found": "1.0", "wanted": "1.1", "reason": "disk full", "backup": "/data/talks.db.1.0"},
        "/data/talks.db.1.0",
    ),
    "JobNotFound": (
        errors.JobNotFound("0f", PATH, [JOB, JOB + "x"]),
        {"job_id": "0f", "path": PATH, "matches": (JOB, JOB + "x")},
        "Give more of the id",
    ),
    "CurrentJobChanged": (
        errors.CurrentJobChanged(PATH, JOB, "other", "talk.srt", is_recorded=True),
        {
            "path": PATH,
            "job_id": JOB,
            "current_job_id": "other",
            "current_file_name": "talk.srt",
            "is_recorded": True,
        },
        "a state_path of its own",
    ),
    "JobBusy": (
        errors.JobBusy(JOB, 7, "host", "2026-01-01T00:00:00.000Z"),
        {"job_id": JOB, "pid": 7, "host": "host", "since": "2026-01-01T00:00:00.000Z"},
        "call again",
    ),
    "ChunkInWork": (
        errors.ChunkInWork(JOB, 3, 7, "host"),
        {"job_id": JOB, "chunk_index": 3, "pid": 7, "host": "host"},
        "call again",
    ),
    "RunnerReleased": (
        errors.RunnerReleased(JOB, 3),
        {"job_id": JOB, "runner": 3},
        "run the loop again to go on",
    ),
    "JobPaused": (errors.JobPaused(JOB, 3), {"job_id": JOB, "remaining_chunks": 3}, "run the loop again"),
    "ServiceUnavailable": (
        errors.ServiceUnavailable(JOB, 3, 600.5, "ConnectionError: refused"),
        {"job_id": JOB, "remaining_chunks": 3, "seconds": 600.5, "last_error": "ConnectionError: refused"},
        "Run the loop again once the service answers",
    ),
    "BudgetReached": (
        errors.BudgetReached(
            JOB, 3, spent=1.5, reserved=0.25, dearest_cost=0.5, max_cost=1.75, last_error="ReadTimeout: no answer"
        ),
        {
            "job_id": JOB,
            "remaining_chunks": 3,
            "spent": 1.5,
            "reserved": 0.25,
            "dearest_cost": 0.5,
            "max_cost": 1.75,
            "last_error": "ReadTimeout: no answer",
        },
        "higher max_cost",
    ),
    "DeadlineReached": (
        errors.DeadlineReached(JOB, 3, 60),
        {"job_id": JOB, "remaining_chunks": 3, "deadline_seconds": 60},
        "Run the loop again",
    ),
    "CostUnknown": (
        errors.CostUnknown(JOB, 3, 4, field="cost", value="'much'", fields=["cost", "usage.total"]),
        {
            "job_id": JOB,
            "remaining_chunks": 3,
            "chunk_index": 4,
            "field": "cost",
            "value": "'much'",
            "fields": ("cost", "usage.total"),
        },
        "with cost=",
    ),
    "ChunkOutOfOrder": (
        errors.ChunkOutOfOrder(JOB, 4, 2),
        {"job_id": JOB, "chunk_index": 4, "missing_index": 2, "is_stale": False},
        "Complete chunk 2 first",
    ),
    "ChunkFailed": (
        errors.ChunkFailed(JOB, 1, "chunk 2: boom"),
        {"job_id": JOB, "failed_chunks": 1, "example": "chunk 2: boom"},
        "retry_failed()",
    ),
    "WorkerDied": (errors.WorkerDied("the process ended"), {}, "ended"),
    "WorkFailed": (
        errors.WorkFailed("Odd", "no luck", "trace", kinds=["lib.Odd"], status_code=429, retry_after=2.5, cost=0.5),
        {
            "kind": "Odd",
            "text": "no luck",
            "trace": "trace",
            "kinds": ("lib.Odd",),
            "status_code": 429,
            "retry_after": 2.5,
            "cost": 0.5,
        },
        "no luck",
    ),
    "MissingExtra": (
        errors.MissingExtra("tqdm", "progress", "progress=True"),
        {"package": "tqdm", "extra": "progress"},
        "pip install 'checkpoint-store[progress]'",
    ),
    "JobIncomplete": (
        errors.JobIncomplete(JOB, 4),
        {"job_id": JOB, "remaining_chunks": 4},
        "To complete them: job.map(...), or job.pending() and chunk.complete(...); to free failed chunks first: job.retry_failed()",
    ),
    "PlanChanged": (
        errors.PlanChanged("talk.srt", JOB, [DIFFERENCE], 7),
        {"file_name": "talk.srt", "job_id": JOB, "differences": (DIFFERENCE,), "reusable_results": 7},
        "model: 'small' -> 'large'",
    ),
    "ChunkOutOfRange": (
        errors.ChunkOutOfRange(JOB, 9, 9),
        {"job_id": JOB, "chunk_index": 9, "total_chunks": 9},
        "0 to 8",
    ),
    "KeyNotFound": (
        errors.KeyNotFound(JOB, "page 9"),
        {"job_id": JOB, "key": "page 9", "has_keys": True},
        "the key 'page 9'; job.keys()",
    ),
    "ChunkNotCompleted": (
        errors.ChunkNotCompleted(JOB, 2, completed=False),
        {"job_id": JOB, "chunk_index": 2, "completed": False},
        "job.pending()",
    ),
    "ChunkAlreadyCompleted": (
        errors.ChunkAlreadyCompleted(JOB, 2),
        {"job_id": JOB, "chunk_index": 2},
        "replace=True",
    ),
    "InvalidResultError": (
        errors.InvalidResultError("is nan; use None", path="result['a']", job_id=JOB, chunk_index=1),
        {"reason": "is nan; use None", "path": "result['a']", "job_id": JOB, "chunk_index": 1},
        "use None",
    ),
    "StateFormatError": (
        errors.StateFormatError("status", "is 3, not one of running, paused", path=Path("/data/s.json")),
        {"field": "status", "reason": "is 3, not one of running, paused", "path": "/data/s.json"},
        "not one of running, paused",
    ),
    "SecretInConfig": (
        errors.SecretInConfig("config['api_key']", "is named like a secret"),
        {"path": "config['api_key']", "reason": "is named like a secret"},
        "read the secret from the environment",
    ),
}
CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaseException) and not issubclass(kind, Warning)
}
each = each_case("name", sorted(EXAMPLES))


def test_every_error_has_an_example_here() -> None:
    """No error class can be added without these tests covering it."""
    assert sorted(EXAMPLES) == sorted(CLASSES)


@each
def test_one_root(name: str) -> None:
    """Whoever catches CheckpointStoreError catches every error of the library."""
    assert issubclass(CLASSES[name], CheckpointStoreError)
    assert type(EXAMPLES[name][0]) is CLASSES[name]


@each
def test_fields_are_carried(name: str) -> None:
    """An error carries what it is about as fields, paths as text."""
    error, fields, _ = EXAMPLES[name]
    assert fields == {field: getattr(error, field) for field in fields}
    assert set(fields) <= set(vars(error))


@each
def test_pickles_with_every_field(name: str) -> None:
    """An error that a worker process sends home arrives with its type, message and every field."""
    error = EXAMPLES[name][0]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        arrived = pickle.loads(pickle.dumps(error, protocol))
        assert (protocol, type(error), error.args, str(error), vars(error)) == (
            protocol,
            type(arrived),
            arrived.args,
            str(arrived),
            vars(arrived),
        )


@each
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_with_every_field(name: str, copied) -> None:
    """A copied error is equal in type, message and fields, and is another object."""
    error = EXAMPLES[name][0]
    other = copied(error)
    assert error is not other
    assert (type(error), str(error), vars(error)) == (type(other), str(other), vars(other))


@each
def test_message_says_the_remedy(name: str) -> None:
    """A message names what it is about and what to do next."""
    error, fields, remedy = EXAMPLES[name]
    assert remedy in str(error)
    for field in {"path", "job_id", "target", "file_name", "name"} & fields.keys():
        assert str(fields[field]) in str(error)


@each
def test_docstring_says_when(name: str) -> None:
    """Every error class says in its docstring when it is raised."""
    assert (CLASSES[name].__doc__ or "").strip()


@each_case(
    ("error", "builtin"),
    [
        ("InvalidArgumentError", ValueError),
        ("UnknownOptionError", TypeError),
        ("InvalidResultError", ValueError),
        ("StateFormatError", ValueError),
        ("SecretInConfig", ValueError),
        ("JobNotFound", LookupError),
        ("ChunkNotCompleted", LookupError),
        ("ChunkOutOfRange", IndexError),
        ("KeyNotFound", KeyError),
    ],
)
def test_also_the_builtin_that_one_expects(error: str, builtin: type[Exception]) -> None:
    """Code that catches Python's own class for such a mistake catches ours too."""
    assert issubclass(CLASSES[error], builtin)


def test_an_argument_is_shown_shortened() -> None:
    """A huge argument is shown by its beginning, and one that is not to be shown is not."""
    assert len(str(errors.InvalidArgumentError("chunks", "x" * 10_000, "is too long"))) < 300
    hidden = errors.InvalidArgumentError("config['a']", ..., "is a set")
    assert (str(hidden), hidden.value) == ("config['a'] is a set", None)


def test_a_value_that_cannot_be_printed() -> None:
    """An error about a value that has no printed form still says what is wrong."""
    assert "is not a number" in str(errors.InvalidArgumentError("n", 10**5000, "is not a number"))
    assert "its chunks are 0 to 2" in str(errors.ChunkOutOfRange(JOB, 10**5000, 3))


def test_full_disk_with_unknown_room() -> None:
    """Where nobody can tell how much room there is, the message says so."""
    assert "free there: unknown" in str(errors.StorageFullError("/x", "full", None))


def test_a_job_without_chunks_has_no_range() -> None:
    """A job without chunks is not said to have chunks 0 to -1."""
    assert "it has no chunks" in str(errors.ChunkOutOfRange(JOB, 0, 0))


def test_an_index_that_is_no_number_is_not_said_to_be_out_of_range() -> None:
    """`complete("0", …)` looks right to the reader of a message that gives the range only."""
    assert "chunk_index='0' is no whole number, and so no chunk of job" in str(errors.ChunkOutOfRange(JOB, "0", 2))


def test_context_survives_pickling_as_a_message() -> None:
    """An error raised from another one still pickles."""

    def fail() -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError as cause:
            raise errors.StorageFullError("/x", "full", 0) from cause

    with pytest.raises(errors.StorageFullError) as caught:
        fail()
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value)))


def test_differences_read_as_a_line() -> None:
    """A difference prints as field: old -> new."""
    assert str(DIFFERENCE) == "model: 'small' -> 'large'"


def test_a_reason_that_is_a_sentence_ends_with_one_full_stop() -> None:
    """The reason of a failed migration may be the message of another error."""
    full = errors.StorageFullError(PATH, "database or disk is full", 0)
    failed = errors.MigrationFailed(PATH, None, "1.5", str(full), None)
    assert "goes on. The file is as it was before." in str(failed)
