"""The live bar of ``progress=True``."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, MissingExtra, number_text
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.execution.execution import JobExecution


def takes_text(stream: IO[str]) -> bool:
    """Return whether a short text can be written to a stream without a wait for its reader."""
    try:
        return bool(select.select((), (stream,), (), 0.0)[1])
    except (AttributeError, OSError, TypeError, ValueError):  # a stream without a number; a closed stream
        return True


_UPDATE_INTERVAL_SECONDS_MIN: Final = 0.5


def need_tqdm() -> Any:
    """Return the bar's class, or raise :class:`MissingExtra`."""
    try:
        from tqdm.auto import tqdm  # an extra
    except ModuleNotFoundError as missing:
        raise MissingExtra("tqdm", "progress", "progress=True") from missing
    return tqdm


class _PatientStream:
    """A stream for the bar that raises no error of its own, and leaves out what its reader does not take at once.

    What is recorded next is paid for: it neither waits for a screen that stands still, nor fails with a closed one.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._wrapped = stream  # by this name, and ``==``, tqdm knows a standard stream, whose width it looks up

    def write(self, text: str) -> None:
        """Write a text, if the reader takes it."""
        with suppress(OSError, ValueError, AttributeError):  # AttributeError: there is no standard error
            if takes_text(self._wrapped):
                self._wrapped.write(text)
                self._wrapped.flush()

    def flush(self) -> None:
        """Do nothing: what was written is flushed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._wrapped == getattr(other, "_wrapped", other))

    def __hash__(self) -> int:
        return hash(self._wrapped)


def _usual_size(stream: Any) -> dict[str, int]:
    """Return the size that a bar takes for a terminal of 0 columns or lines, as some containers have it; else {}."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):  # no terminal, or no stream
        return {}
    return {} if columns and lines else {"ncols": columns or 80, "nrows": lines or 24}


class LiveBar:
    """A tqdm bar, in a terminal or a notebook. It starts at what is completed; its rate is that of this run.

    ``paid`` returns what the job has paid so far; None where no cost is known.
    """

    def __init__(self, execution: JobExecution, paid: Callable[[], float | None]) -> None:
        self._execution, self._paid = execution, paid
        job = execution.recorded.record()
        self._bar: Any = need_tqdm()(
            file=_PatientStream(sys.stderr),
            total=job.total_chunks,
            initial=job.done_count,
            unit="chunk",
            desc=job.file_name,
            **_usual_size(sys.stderr),
        )
        self._shown_at = 0.0
        self.show(at_once=True)

    def show(self, *, at_once: bool = False) -> None:
        """Show the job's progress, other runners' work included, at most twice a second."""
        moment = time.monotonic()
        if not at_once and moment - self._shown_at < _UPDATE_INTERVAL_SECONDS_MIN:
            return
        self._shown_at = moment
        try:
            self._draw()
        except CheckpointStoreError as error:  # what is to be recorded is more important than what is to be seen
            log_suppressed(error, "the progress bar could not be brought up to date")

    def _draw(self) -> None:
        progress = self._execution.recorded.progress()
        self._bar.n, self._bar.total = progress.completed_chunks, progress.total_chunks
        failed, in_doubt = self._execution.recorded.failure_counts()
        cost = self._paid()
        postfix: dict[str, object] = {} if cost is None else {"cost": number_text(float(f"{cost:.4g}"))}
        postfix |= {name: count for name, count in (("failed", failed), ("in doubt", in_doubt)) if count}
        self._bar.set_postfix(postfix, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Show the last state, and leave the bar on the screen."""
        try:
            self.show(at_once=True)
        finally:
            self._bar.close()
