"""``--joblog``: a line of tab-separated text for each attempt, in the columns of GNU parallel.

Each line is one ``write`` at the end of the file, so several runs may share a log, and neither a killed run nor a full
disk leaves a torn line. A log that cannot be written is no reason to lose a chunk that is paid for: the run says so
once, and goes on.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.paths import is_same_place, owner_of, path_text, shell_words, why_no_new_file
from checkpoint_store.cli.run.command.answer import TEXT_FIELD
from checkpoint_store.cli.run.command.outcome import CommandCall
from checkpoint_store.cli.run.outputs.log import give_to_owner, open_to_append
from checkpoint_store.cli.transcripts.clean import CLEANER_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from checkpoint_store import CheckpointStore
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.task_records import Clean
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcripts.split import TextChunk

HEADER: Final = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
_HOST: Final = ":"
"""This machine, as GNU parallel writes it."""
_CLOSED: Final = -1
_LOCK_SECONDS_MAX: Final = 1.0
"""How long the line of a try waits for another run that is writing; later it is written together with the next one."""
_LOCK_LOOK_SECONDS: Final = 0.002
_TAIL_BYTES: Final = 1 << 16
_UNWRITTEN_BYTES_MAX: Final = 1 << 20
"""Keep at most this much while the disk is full; later lines are not logged."""


class JobLog:
    """The log of one run. It may be neither an input of the run nor its output.

    Without words of COMMAND, it is the log of the built-in cleaner.
    """

    def __init__(self, path: Path, words: Sequence[str], inputs: Sequence[Input], screen: Screen) -> None:
        self.path = path
        self._words = shell_words(words) or CLEANER_NAME
        self._screen = screen
        self._lock = threading.Lock()
        self._file = _CLOSED
        self._unwritten = b""
        self._has_warned = False
        if any(is_same_place(path, other) for each in inputs for other in (each.path, each.output)):
            raise self._unusable("is an input or an output of this run")
        self._check()

    def _check(self) -> None:
        if os.path.lexists(self.path):
            with self._opened():
                return
        folder = self.path.parent
        if not folder.is_dir():
            raise self._unusable(f"there is no folder {path_text(folder)}")
        reason = why_no_new_file(folder)
        if reason is not None:
            raise self._unusable(reason)

    def refuse_if_owned(self, store: CheckpointStore, store_path: Path) -> None:
        """Raise :class:`click.ClickException` if the log's name belongs to a store (a stand-in will do)."""
        owner = owner_of(store, store_path, self.path)
        if owner is not None:
            raise self._unusable(f"belongs to the store {path_text(owner)}")

    @contextmanager
    def opened(self, store: CheckpointStore) -> Iterator[None]:
        """Keep the log open in this block, or raise :class:`click.ClickException`: a store may own its name."""
        self.refuse_if_owned(store, store.path)
        with self._opened(os.O_CREAT) as self._file:
            if not os.fstat(self._file).st_size:
                give_to_owner(self.path, store.path)
            with self._alone():
                self._begin()
            try:
                yield
            finally:
                self._end()

    @contextmanager
    def _opened(self, more_flags: int = 0) -> Iterator[int]:
        try:
            file = open_to_append(self.path, os.O_RDWR | more_flags)
        except OSError as error:
            is_link = self.path.is_symlink()
            raise self._unusable("is a symbolic link" if is_link else str(error.strerror)) from error
        try:
            head = os.pread(file, len(HEADER), 0)
            if head != HEADER[: len(head)]:
                raise self._unusable("is there, and is no job log: its first line has other columns")
            yield file
        finally:
            os.close(file)

    @contextmanager
    def _alone(self, seconds_max: float = math.inf) -> Iterator[None]:
        """Keep other runs from writing now; closing the file unlocks it, too. A run that Ctrl-Z stopped may keep it."""
        until = time.monotonic() + seconds_max
        while not self._try_to_lock():
            if time.monotonic() >= until:
                raise BlockingIOError(errno.EAGAIN, "another run keeps it locked")
            time.sleep(_LOCK_LOOK_SECONDS)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _try_to_lock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except (OSError, ValueError):  # a file system without locks; a thread that is late
            return True
        return True

    def _begin(self) -> None:
        """Write the header of a new log; remove half a line that a power cut or a full disk left in an existing log."""
        size = os.fstat(self._file).st_size
        whole = self._whole_lines(size)
        if whole != size:
            os.ftruncate(self._file, whole)
        if not whole:
            try:
                self._unwritten = HEADER
                self._write_unwritten()
            except OSError as error:
                raise self._unusable(str(error.strerror)) from error

    def _whole_lines(self, size: int) -> int:
        """Return where the last whole line ends. A line may be long: COMMAND's words may be a prompt."""
        while size:
            start = max(0, size - _TAIL_BYTES)
            end = os.pread(self._file, size - start, start).rfind(b"\n") + 1
            if end:
                return start + end
            size = start
        return 0

    def _end(self) -> None:
        self._append(b"", _LOCK_SECONDS_MAX)  # the last chance of the lines that are kept
        if self._unwritten:
            self._screen.note(f"{path_text(self.path)}: lines are missing at its end", style="yellow")
        with self._lock:  # a thread that is late would write to whichever file has this number then
            self._file = _CLOSED

    # -- lines

    def write(self, call: CommandCall) -> None:
        """Append the line of a call that has just ended; from any thread. No error of the file is raised."""
        command = f"CHECKPOINT_STORE_FILE={shell_words([call.file])} {self._words}"
        facts = (call.bytes_in, call.bytes_out, call.exit_value, call.signal)
        times = (f"{call.started_at:.3f}", f"{call.seconds:10.3f}")
        line = "\t".join([call.chunk_index, _HOST, *times, *map(str, facts), command])
        self._append(f"{line}\n".encode(), 0.0 if self._has_warned else _LOCK_SECONDS_MAX)

    def logged(self, clean: Clean) -> Clean:
        """Return a built-in cleaner that has a line for each chunk, as COMMAND has."""

        def clean_and_log(chunk: TextChunk, variables: Mapping[str, str]) -> tuple[dict[str, Any], str]:
            call = CommandCall.of(variables, len(chunk.text.encode()))
            answer = clean(chunk, variables)
            call.printed(answer[0][TEXT_FIELD].encode(), 0)
            call.exit_value = 0
            self.write(call)
            return answer

        return clean_and_log

    def _append(self, line: bytes, lock_seconds_max: float) -> None:
        with self._lock:
            if len(self._unwritten) + len(line) <= _UNWRITTEN_BYTES_MAX:
                self._unwritten += line
            try:
                # What waits here is the record of an answer that is paid for.
                with self._alone(lock_seconds_max):
                    self._write_unwritten()
            except OSError as error:
                if not self._has_warned:
                    self._has_warned = True
                    reason = f"the job log cannot be written: {error.strerror}; the run goes on"
                    self._screen.note(f"{path_text(self.path)}: {reason}", style="yellow")

    def _write_unwritten(self) -> None:
        """Write whole lines only. Half a line, for which the disk had room, is taken back: other runs append, too."""
        size, written = os.fstat(self._file).st_size, 0
        try:
            while True:
                written += os.write(self._file, self._unwritten[written:])
                if written == len(self._unwritten):
                    break
        except OSError:
            if os.fstat(self._file).st_size == size + written:  # a program that takes no lock may have appended
                written = self._unwritten.rfind(b"\n", 0, written) + 1
                os.ftruncate(self._file, size + written)
            raise
        finally:
            self._unwritten = self._unwritten[written:]

    def _unusable(self, reason: str) -> click.ClickException:
        return click.ClickException(f"--joblog {path_text(self.path)}: {reason}; name another file")
