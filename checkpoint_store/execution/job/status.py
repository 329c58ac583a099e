"""The changes that a caller makes to a job: pause, resume, finish, fail, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.execution import lifecycle, opening
from checkpoint_store.execution.job.frames import JobFrames
from checkpoint_store.model.records import JobStatus


class JobStatusChanges(JobFrames):
    """The part of :class:`Job` that changes its status and metadata. Safe to share between threads."""

    @property
    def metadata(self) -> dict[str, Any]:
        """JSON data about the job that is no part of its plan, as the store has it now: a copy, or empty."""
        return self._execution.recorded.record().metadata or {}

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of the job. Durable when this returns; the state file follows.

        Args:
            metadata: JSON data, such as an estimate or an owner; ``{}`` leaves nothing.

        Raises:
            InvalidArgumentError: JSON cannot hold a value; the error names its place. Nothing was changed.
            SecretInConfig: a value looks like a secret. Nothing was changed.
        """
        if not isinstance(metadata, Mapping):
            raise InvalidArgumentError("metadata", metadata, "is no mapping; give {} to leave nothing")
        self._context.storage.job_changes.set_metadata(self.job_id, opening.checked_config(metadata, "metadata"))
        self._context.job_changed(self.job_id)

    def pause(self) -> None:
        """Pause the job: status ``paused``, and every loop on it, in any process, ends after the chunk in hand.

        A signal handler may call this at any moment. It is durable, and in the state file, when this returns; with one
        exception. If the handler interrupted a call of this library, this returns at once: the loops of this process
        see the pause at once, and it is durable as soon as the interrupted call is through. The handler may raise
        an exception after it.

        A pause ends no loop that its caller begins later with this object. The pause of a signal handler does.
        """
        self._execution.lifecycle.pause()

    def resume(self) -> None:
        """Take a paused or failed job up again: status ``running``; a loop that the pause has not ended yet goes on."""
        self._execution.lifecycle.change(lifecycle.RESUME)

    def finish(self) -> None:
        """End the job ``completed``.

        Raises:
            JobIncomplete: chunks are left.
        """
        self._execution.lifecycle.change(lifecycle.FINISH)

    def fail(self, error: BaseException | str) -> None:
        """End the job ``failed`` with a message (secrets in it are replaced). It can still be resumed."""
        self.set_status(JobStatus.FAILED, error)

    def set_status(self, status: JobStatus | str, error: BaseException | str | None = None) -> None:
        """Set status and error message. Durable when this returns; the state file follows.

        Raises:
            InvalidArgumentError: ``status`` is none of the five statuses; or ``error`` is no exception and no text.
        """
        lifecycle.set_status(self._context, self.job_id, lifecycle.status_named(status), error)
