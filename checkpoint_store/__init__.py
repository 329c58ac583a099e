"""Resume a long chunk-by-chunk job after anything: no finished chunk is ever paid for twice."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpoint_store._db.recover import RecoveryReport
    from checkpoint_store.care import Finding, doctor, recover_store, restore_store
    from checkpoint_store.errors import (
        CheckpointStoreError,
        ChunkAlreadyCompleted,
        ChunkNotCompleted,
        ChunkOutOfRange,
        Difference,
        ErasureUnfinished,
        InvalidArgumentError,
        InvalidResultError,
        JobBusy,
        JobIncomplete,
        JobNotFound,
        MigrationFailed,
        PlanChanged,
        SchemaTooNew,
        SchemaTooOld,
        SecretInConfig,
        StateFormatError,
        StorageFullError,
        StorageUnavailableError,
        StoreBusy,
        StoreDamaged,
        StoreRecovered,
        StoreTargetError,
    )
    from checkpoint_store.job import Job, PendingChunk
    from checkpoint_store.manager import StateManager
    from checkpoint_store.state import JobStatus, Problem, ProcessingState, Progress
    from checkpoint_store.store import CheckpointStore
    from checkpoint_store.upgrade import MigrationStatus, migrate, migration_status

__version__ = "0.1.0"

__all__ = [
    "CheckpointStore",
    "CheckpointStoreError",
    "ChunkAlreadyCompleted",
    "ChunkNotCompleted",
    "ChunkOutOfRange",
    "Difference",
    "ErasureUnfinished",
    "Finding",
    "InvalidArgumentError",
    "InvalidResultError",
    "Job",
    "JobBusy",
    "JobIncomplete",
    "JobNotFound",
    "JobStatus",
    "MigrationFailed",
    "MigrationStatus",
    "PendingChunk",
    "PlanChanged",
    "Problem",
    "ProcessingState",
    "Progress",
    "RecoveryReport",
    "SchemaTooNew",
    "SchemaTooOld",
    "SecretInConfig",
    "StateFormatError",
    "StateManager",
    "StorageFullError",
    "StorageUnavailableError",
    "StoreBusy",
    "StoreDamaged",
    "StoreRecovered",
    "StoreTargetError",
    "doctor",
    "migrate",
    "migration_status",
    "recover_store",
    "restore_store",
]

# SQLAlchemy takes a third of a second to import: each name is resolved when it is first used.
_HOMES = {
    "CheckpointStore": "store",
    "Finding": "care",
    "Job": "job",
    "JobStatus": "state",
    "MigrationStatus": "upgrade",
    "PendingChunk": "job",
    "Problem": "state",
    "ProcessingState": "state",
    "Progress": "state",
    "RecoveryReport": "_db.recover",
    "StateManager": "manager",
    "doctor": "care",
    "migrate": "upgrade",
    "migration_status": "upgrade",
    "recover_store": "care",
    "restore_store": "care",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
