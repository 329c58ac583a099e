"""COMMAND: a program that reads a chunk from stdin and prints the cleaned text on stdout."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.run.command.answer import OtherFormError, UnreadAnswerError, UnusableAnswerError, cost_printed
from checkpoint_store.cli.run.command.outcome import (
    CANNOT_BE_STARTED,
    NOT_FOUND,
    CommandCall,
    CommandFailedError,
    CommandKilledError,
    CommandMissingError,
    CommandRefusedError,
    ServiceAwayError,
    exit_text,
    failure_kind,
)
from checkpoint_store.cli.run.command.process import (
    StdinWriter,
    group_lives,
    has_program_ended,
    kill_group,
    output_in_time,
)
from checkpoint_store.cli.screen import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checkpoint_store.cli.run.command.answer import AnswerReader
    from checkpoint_store.cli.transcripts.split import TextChunk

_MORE_AT_ONCE: Final = {
    errno.EAGAIN: ": no more processes and threads may be started here; use fewer --workers, or raise the limit "
    "(ulimit -u, or the limit of the container)",
    errno.EMFILE: ": use fewer --workers, or raise the limit (ulimit -n)",
    errno.ENOMEM: ": use fewer --workers, or free memory",
}
"""What helps where the system refuses one more process."""
_TAIL_LINES: Final = 8
_TAIL_CHARACTERS: Final = 2_000
_OUTPUT_WAIT_SECONDS: Final = 1.0


class Command:
    """Run one program for each chunk; several threads may call this object at the same time.

    The program runs in a session of its own, so that a Ctrl-C in the terminal does not reach it: its work on the chunk
    may have been paid for. It has no terminal to ask questions on. ``cost`` is the field, or the dotted path, that
    holds the cost in the JSON that the program prints. It is killed after ``timeout_seconds`` for a chunk. ``on_end``
    is called with each call that has ended, and ``say`` with a notice for people, in the thread that made the call.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        answers: AnswerReader,
        *,
        cost: str = "cost",
        timeout_seconds: float | None = None,
        on_end: Callable[[CommandCall], object] | None = None,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._argv = argv
        self._on_end = on_end
        self._say = say
        self._has_said_wait = False
        self._answers = answers
        self._cost = cost
        self._timeout_seconds = timeout_seconds
        # A lock would deadlock: the signal handler runs in a thread that may hold it.
        self._children: set[subprocess.Popen[bytes]] = set()
        self._cut_off: set[subprocess.Popen[bytes]] = set()
        """The programs that had ended at a kill, while a process of their group might print the rest of the answer."""
        self._killed = False
        self.away_codes: set[int] = set()
        """The exit codes by which the program said that its service is away."""
        self.has_answered = False
        """Whether an answer could be read, in this run or before: then a chunk with another form is tried again."""
        self._had_other_form = False
        """Whether an answer had another form before any answer could be read."""
        self._is_refused = False

    @property
    def is_misread(self) -> bool:
        """Whether its answers have another form than ``run`` expects: each further call would be paid for in vain."""
        return self._had_other_form and not self.has_answered

    @property
    def is_in_vain(self) -> bool:
        """Whether each further call would be in vain, for any chunk of any file."""
        return self._is_refused or self.is_misread

    def __call__(self, chunk: TextChunk, variables: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """Return the fields of the result for ``chunk`` (``cleaned_text`` at least), and the program's stderr.

        The chunk's own text is the program's stdin; ``variables`` are added to its environment.
        Without an answer it raises a :class:`CommandFailedError`, an :class:`UnreadAnswerError`, or, where :meth:`kill`
        was called meanwhile, :class:`CommandKilledError`.
        """
        text = chunk.text.encode("utf-8")
        call = CommandCall.of(variables, len(text))
        try:
            stdout, stderr, code = self._communicate(text, variables, call)
            call.printed(stdout, code)
            answer = self._answer(chunk, stdout, plain(stderr.decode("utf-8", "replace")).strip(), code)
            call.exit_value = 0
        finally:
            if self._on_end is not None and call.is_made:
                self._on_end(call)
        return answer

    def read_again(self, chunk: TextChunk, printed: str) -> dict[str, Any] | None:
        """Return the fields of the result in what the program printed for a chunk earlier; None if it is no answer."""
        try:
            fields = self._answers.read(printed, chunk.text)
        except UnusableAnswerError:
            return None
        self.has_answered = True
        return fields

    def _answer(self, chunk: TextChunk, stdout: bytes, message: str, code: int) -> tuple[dict[str, Any], str]:
        """Return the answer; the error for output that is no answer has its cost, because the call was paid for."""
        try:
            return self._read(chunk, stdout, message, code)
        except (CommandFailedError, UnreadAnswerError) as error:
            error.cost = cost_printed(stdout, self._cost)
            raise

    def _read(self, chunk: TextChunk, stdout: bytes, message: str, code: int) -> tuple[dict[str, Any], str]:
        if code and self._killed:  # a program that ended well by itself has an answer that is paid for
            raise CommandKilledError
        if code:
            kind = failure_kind(code)
            if kind is ServiceAwayError:
                self.away_codes.add(code)
            self._is_refused |= kind is CommandRefusedError
            raise kind(f"{self._argv[0]!r} {exit_text(code)}", _tail(message))
        try:
            answer = self._answers.read(stdout.decode("utf-8"), chunk.text)
        except (UnicodeDecodeError, UnusableAnswerError) as error:
            raise self._unread(error, stdout, _tail(message)) from error
        self.has_answered = True
        return answer, message

    def _unread(
        self, error: UnicodeDecodeError | UnusableAnswerError, stdout: bytes, stderr: str
    ) -> CommandFailedError | UnreadAnswerError:
        """Return the error for an output that is no answer; the output was paid for, so the error has a copy of it."""
        reason = f"wrote what is not UTF-8: {error}" if isinstance(error, UnicodeDecodeError) else str(error)
        if not stdout.strip():
            return CommandFailedError(f"{self._argv[0]!r} {reason}", stderr)
        is_other = isinstance(error, UnusableAnswerError) and error.has_other_form and not self.has_answered
        self._had_other_form |= is_other
        kind = OtherFormError if is_other else UnreadAnswerError
        printed = stdout.decode("utf-8", "backslashreplace")
        return kind(f"{reason}\n{stderr}" if stderr else reason, self._argv[0], printed)

    def kill(self) -> None:
        """Kill every running program and its child processes; a signal handler may call this."""
        self._killed = True
        for child in self._children.copy():
            if child.returncode is None:
                if has_program_ended(child) and group_lives(child):
                    self._cut_off.add(child)
                kill_group(child)

    def _kill_if_too_late(self, child: subprocess.Popen[bytes]) -> None:
        if self._killed:  # kill() came before the child was in the set
            kill_group(child)

    def _goes_on_printing(self, child: subprocess.Popen[bytes]) -> bool:
        return not self._killed and group_lives(child)

    def _say_wait(self) -> None:
        if not self._has_said_wait:
            self._has_said_wait = True
            left = f"{self._argv[0]!r} has ended, and a process that it left in the background holds its output"
            remedy = "if that process prints no part of the answer, start it with >/dev/null 2>&1"
            self._say(f"{left}: the run waits for its end; {remedy}")

    def _communicate(self, text: bytes, variables: Mapping[str, str], call: CommandCall) -> tuple[bytes, bytes, int]:
        if self._killed:
            raise CommandKilledError
        try:
            child = _start(self._argv, variables, text)
        except OSError as error:
            call.is_made = True
            call.exit_value = NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_BE_STARTED
            reason = (error.strerror or str(error)) + _MORE_AT_ONCE.get(error.errno or 0, "")
            raise CommandMissingError(f"{self._argv[0]!r} cannot be started: {reason}") from error
        call.is_made = True
        self._children.add(child)
        try:
            self._kill_if_too_late(child)
            stdout, stderr = output_in_time(child, self._timeout_seconds, lambda: self._killed, self._say_wait)
            if child in self._cut_off:
                raise CommandKilledError
        except subprocess.TimeoutExpired as late:
            has_ended = child.poll() is not None
            if child in self._cut_off:
                call.signal = signal.SIGKILL
                raise CommandKilledError from late
            if has_ended and not self._goes_on_printing(child):  # a process that has left the group holds its pipes
                return *_output_so_far(child), child.wait()
            kill_group(child)
            stdout, stderr = _output_so_far(child)
            if not has_ended and child.wait() == 0:  # it ended well just before the kill: what it printed is paid for
                return stdout, stderr, 0
            call.signal = signal.SIGKILL
            limit = f"{self._timeout_seconds:g} s and was ended; more time: --timeout"
            reason = f"{self._argv[0]!r} took longer than {limit}"
            failure = CommandFailedError(reason, _tail(plain(stderr.decode("utf-8", "replace")).strip()))
            failure.cost, failure.may_be_billed = cost_printed(stdout, self._cost), True
            raise failure from late
        except BaseException:
            kill_group(child)
            call.signal = signal.SIGKILL
            child.wait()
            raise
        finally:
            self._children.discard(child)
        return stdout, stderr, child.returncode


def _output_so_far(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Return what a program that has ended wrote to stdout and stderr; wait for no other holder of those pipes."""
    try:
        return child.communicate(timeout=_OUTPUT_WAIT_SECONDS)
    except subprocess.TimeoutExpired as late:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        return late.stdout or b"", late.stderr or b""


def _start(argv: tuple[str, ...], variables: Mapping[str, str], text: bytes) -> subprocess.Popen[bytes]:
    writer = StdinWriter(text)
    try:
        pipe, environment = subprocess.PIPE, _environment(variables)
        # Running what the person typed is the purpose; there is no shell in between.
        child = subprocess.Popen(  # noqa: S603 - the command of the user
            argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, env=environment
        )
    except BaseException:
        writer.write_to(None)
        raise
    writer.write_to(child.stdin)
    child.stdin = None
    return child


def _environment(variables: Mapping[str, str]) -> Mapping[Any, Any]:
    # As bytes: in a locale that is not UTF-8 the text of many a context has no encoding.
    encoded = {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in variables.items()}
    return {**os.environb, **encoded}


def _tail(text: str) -> str:
    return "\n".join(text[-_TAIL_CHARACTERS:].splitlines()[-_TAIL_LINES:])
