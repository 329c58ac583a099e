"""The live bar of ``progress=True``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from checkpoint_store.errors import MissingExtra, number_text
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.execution.execution import JobExecution

_UPDATE_INTERVAL_SECONDS_MIN: Final = 0.5


class Bar(Protocol):
    """A bar on which a loop shows its progress."""

    def show(self, *, at_once: bool = False) -> None:
        """Show the job's progress."""

    def close(self) -> None:
        """Show the last state, and end."""


class NoBar:
    """Shows nothing."""

    def show(self, *, at_once: bool = False) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


def need_tqdm() -> Any:
    """Return the bar's class.

    Raises:
        MissingExtra: tqdm is not installed.
    """
    try:
        from tqdm.auto import tqdm  # an extra
    except ModuleNotFoundError as missing:
        raise MissingExtra("tqdm", "progress", "progress=True") from missing
    return tqdm


class _Screen:
    """Standard error, as a bar writes to it. After its first error a bar writes nothing more, and costs no result.

    Nobody may read it any more (``2>&1 | head``), or it may be closed, or missing, as in a program without a console.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        """Write a text, if that is still possible."""
        self._try("write", text)

    def flush(self) -> None:
        """Show what was written, if that is still possible."""
        self._try("flush")

    def _try(self, action: str, *arguments: str) -> None:
        if self._stream is None:
            return
        try:
            getattr(self._stream, action)(*arguments)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self._stream = None
            log_suppressed(error, "the progress bar is shown no more")


class LiveBar:
    """A tqdm bar, in a terminal or a notebook. It starts at what is completed; its rate is that of this run.

    Args:
        execution: the job.
        paid: returns what the job has paid so far; None where no cost is known.
    """

    def __init__(self, execution: JobExecution, paid: Callable[[], float | None]) -> None:
        self._execution, self._paid = execution, paid
        job = execution.recorded.record()
        self._bar: Any = need_tqdm()(
            total=job.total_chunks,
            initial=job.done_count,
            unit="chunk",
            desc=job.file_name,
            file=_Screen(sys.stderr),
            dynamic_ncols=True,  # otherwise tqdm asks for the width of standard error itself only
        )
        self._shown_at = 0.0
        self.show(at_once=True)

    def show(self, *, at_once: bool = False) -> None:
        """Show the job's progress, other runners' work included, at most twice a second."""
        moment = time.monotonic()
        if not at_once and moment - self._shown_at < _UPDATE_INTERVAL_SECONDS_MIN:
            return
        self._shown_at = moment
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
