"""Resume a long chunk-by-chunk job after anything: no finished chunk is ever paid for twice.

PYTEST_DONT_REWRITE: pytest loads the plug-in of this package, and would warn where the package was imported before.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # importing typing takes longer than all other imports before the command can catch Ctrl-C
if TYPE_CHECKING:
    from checkpoint_store.errors import (
        BudgetReached,
        CheckpointStoreError,
        ChunkAlreadyCompleted,
        ChunkFailed,
        ChunkInWork,
        ChunkNotCompleted,
        ChunkOutOfOrder,
        ChunkOutOfRange,
        ChunksPassedOver,
        CostUnknown,
        CurrentJobChanged,
        DeadlineReached,
        Difference,
        ErasureUnfinished,
        InvalidArgumentError,
        InvalidResultError,
        JobBusy,
        JobIncomplete,
        JobNotFound,
        JobPaused,
        JobsPassedOver,
        KeyNotFound,
        MigrationFailed,
        MissingExtra,
        PlanChanged,
        ReportTargetError,
        ResultIsNone,
        ResultsElsewhere,
        RunnerReleased,
        SchemaTooNew,
        SchemaTooOld,
        SecretInConfig,
        ServiceUnavailable,
        StateFormatError,
        StorageFullError,
        StorageUnavailableError,
        StoreBusy,
        StoreClosed,
        StoreDamaged,
        StoreInUse,
        StoreRecovered,
        StoreTargetError,
        UnknownOptionError,
        WorkerDied,
        WorkFailed,
    )
    from checkpoint_store.job import Job, PendingChunk
    from checkpoint_store.maintenance import (
        MigrationStatus,
        doctor,
        migrate,
        migration_status,
        recover_store,
        restore_store,
    )
    from checkpoint_store.manager import StateManager
    from checkpoint_store.model.attempt import Attempt, current_attempt
    from checkpoint_store.model.loop_records import LoopEvent, RunRecord
    from checkpoint_store.model.money import JobCosts
    from checkpoint_store.model.records import (
        AttemptRecord,
        ChunkRecord,
        CompletionRecord,
        JobStatus,
        JobSummary,
        MapItem,
        Problem,
        Progress,
        RunnerRecord,
        RunPlan,
    )
    from checkpoint_store.model.reports import JobMerge, MergeReport, PruneReport
    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.datasette.metadata import datasette_metadata
    from checkpoint_store.storage.recovery.doctor import Finding
    from checkpoint_store.storage.recovery.recover import RecoveryReport
    from checkpoint_store.store import CheckpointStore
    from checkpoint_store.system.file_replacement import replace_file

__version__ = "0.1.0"

__all__ = [
    "Attempt",
    "AttemptRecord",
    "BudgetReached",
    "CheckpointStore",
    "CheckpointStoreError",
    "ChunkAlreadyCompleted",
    "ChunkFailed",
    "ChunkInWork",
    "ChunkNotCompleted",
    "ChunkOutOfOrder",
    "ChunkOutOfRange",
    "ChunkRecord",
    "ChunksPassedOver",
    "CompletionRecord",
    "CostUnknown",
    "CurrentJobChanged",
    "DeadlineReached",
    "Difference",
    "ErasureUnfinished",
    "Finding",
    "InvalidArgumentError",
    "InvalidResultError",
    "Job",
    "JobBusy",
    "JobCosts",
    "JobIncomplete",
    "JobMerge",
    "JobNotFound",
    "JobPaused",
    "JobStatus",
    "JobSummary",
    "JobsPassedOver",
    "KeyNotFound",
    "LoopEvent",
    "MapItem",
    "MergeReport",
    "MigrationFailed",
    "MigrationStatus",
    "MissingExtra",
    "PendingChunk",
    "PlanChanged",
    "Problem",
    "ProcessingState",
    "Progress",
    "PruneReport",
    "RecoveryReport",
    "ReportTargetError",
    "ResultIsNone",
    "ResultsElsewhere",
    "RunPlan",
    "RunRecord",
    "RunnerRecord",
    "RunnerReleased",
    "SchemaTooNew",
    "SchemaTooOld",
    "SecretInConfig",
    "ServiceUnavailable",
    "StateFormatError",
    "StateManager",
    "StorageFullError",
    "StorageUnavailableError",
    "StoreBusy",
    "StoreClosed",
    "StoreDamaged",
    "StoreInUse",
    "StoreRecovered",
    "StoreTargetError",
    "UnknownOptionError",
    "WorkFailed",
    "WorkerDied",
    "current_attempt",
    "datasette_metadata",
    "doctor",
    "migrate",
    "migration_status",
    "recover_store",
    "replace_file",
    "restore_store",
]

# Each name is resolved when it is first used: no program needs all modules, and each takes time to import.
_NAMES = {
    "job": "Job PendingChunk",
    "maintenance": "MigrationStatus doctor migrate migration_status recover_store restore_store",
    "manager": "StateManager",
    "model.attempt": "Attempt current_attempt",
    "model.loop_records": "LoopEvent RunRecord",
    "model.money": "JobCosts",
    "model.records": "AttemptRecord ChunkRecord CompletionRecord JobStatus JobSummary MapItem Problem Progress RunPlan "
    "RunnerRecord",
    "model.reports": "JobMerge MergeReport PruneReport",
    "model.state.state": "ProcessingState",
    "storage.datasette.metadata": "datasette_metadata",
    "storage.recovery.doctor": "Finding",
    "storage.recovery.recover": "RecoveryReport",
    "store": "CheckpointStore",
    "system.file_replacement": "replace_file",
}
"""The public names of each module but ``errors``, which has all others."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in ("executors", "frames", "report"):
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
