"""Kill a script at its calls, start it again until it is done, and count what was asked for."""

from __future__ import annotations

import ast
import inspect
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.testing import child
from checkpoint_store.testing.verdict import Killed, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REAL: Final = object()
"""The function's own answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """The counts of a test that killed a script and started it again."""

    calls: int
    """How many calls the undisturbed run made."""
    kills: int
    """How often the script was killed; where it makes several calls at once, all of them were in work then."""
    asked: int
    """How many calls all runs made together, those that were killed included."""
    folder: Path
    """The folder in which the script was killed and went on, with its store and its output."""


class KillAndResume:
    """Kills a script at its calls, starts it again until it is done, and checks that nothing done is asked again.

    A call is killed when the service has answered and the script does not have the answer yet: the worst moment. The
    script runs in a folder of its own, as a copy; once undisturbed first, to see what it asks for.
    """

    def __init__(self, root: Path, new_folder: Callable[[], Path]) -> None:
        self._root, self._new_folder = root, new_folder

    def __call__(
        self,
        script: str | os.PathLike[str],
        *arguments: object,
        paid: str,
        answer: Any = REAL,
        files: Iterable[str | os.PathLike[str]] = (),
        outputs: Iterable[str] = (),
        kills: int | None = None,
        seed: int | None = None,
        calls_at_once: int = 1,
        ignoring: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 60.0,
    ) -> KillReport:
        """Run the script until it is done, however often it is killed.

        Args:
            script: the path of the script; like ``files`` relative to pytest's ``rootdir``.
            arguments: its command line.
            paid: the function that costs money: ``"ask"`` or ``"Client.ask"`` of the script itself, or
                ``"package.module:Client.ask"`` of a module that it imports. Calls count in the script's process, its
                threads, its event loop and what it forks.
            answer: what the function returns instead of asking: JSON data, or a function at the top of the test's
                module that gets the same arguments. By default the function itself is called.
            files: copied into the script's folder before it starts.
            outputs: files of that folder that must be the same in the end as after the undisturbed run.
            kills: at how many calls, chosen at random, the script is killed; by default at every call, once each.
                A kill takes all calls that are in work, so a short job may end before this number of kills.
            seed: the seed of that choice; by default a new one each time. A failure says which it was.
            calls_at_once: how many calls the script makes at the same time, or for one chunk: a kill may lose this
                number of calls.
            ignoring: arguments of the function that do not tell one call from another, such as a client or a key.
            environment: variables of the script, beside those of the test.
            timeout_seconds: how long one run may take.

        Raises:
            AssertionError: the script did not end well, asked again for what was done, passed over a call, or wrote
                another output.
            InvalidArgumentError: an argument has a wrong value. Nothing was run.
        """
        __tracebackhide__ = True
        runner = _Runner(
            script=self._checked_script(script, paid),
            arguments=[str(argument) for argument in arguments],
            paid=paid,
            answer=_transferable(answer),
            files=[self._checked_file("files", path) for path in files],
            ignoring=list(ignoring),
            calls_at_once=calls_at_once,
            environment=dict(os.environ) | dict(environment or {}),
            timeout_seconds=timeout_seconds,
            folder=self._new_folder(),
        )
        undisturbed = runner.run("undisturbed", [])
        texts = list(dict.fromkeys(text for _, text in undisturbed.asked))
        if not texts:
            raise AssertionError(f"{paid} was not called once by {script}: there is nothing to kill")
        seed = time.time_ns() % 10**6 if seed is None else seed
        runs = runner.until_done(texts, None if kills is None else _chosen(texts, kills, seed, calls_at_once))
        check(undisturbed, runs, calls_at_once=calls_at_once, seed=None if kills is None else seed)
        runner.compare(outputs)
        asked = sum(len(run.asked) for run in runs)
        return KillReport(
            calls=len(undisturbed.asked), kills=len(runs) - 1, asked=asked, folder=runner.folder / "killed"
        )

    def _checked_file(self, name: str, path: str | os.PathLike[str]) -> Path:
        checked_path = self._root / path
        if not checked_path.is_file():
            raise InvalidArgumentError(name, str(path), f"is no file in {self._root}")
        return checked_path

    def _checked_script(self, script: str | os.PathLike[str], paid: str) -> Path:
        source = self._checked_file("script", script)
        if ":" not in paid and child.definition(ast.parse(source.read_bytes(), str(source)), paid) is None:
            raise InvalidArgumentError(
                "paid", paid, f"is no function that {source.name} defines; name one that it imports as 'module:{paid}'"
            )
        return source


def _chosen(texts: list[str], kills: int, seed: int, calls_at_once: int) -> list[str]:
    """Return the calls to kill: in a long enough job, no chosen call is in work when an earlier one is killed."""
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    kills = min(kills, len(texts))
    distance = calls_at_once - 1 if kills * calls_at_once <= len(texts) else 0
    positions = sorted(chance.sample(range(len(texts) - kills * distance), kills))
    return [texts[position + nth * distance] for nth, position in enumerate(positions)]


def _not_asked_yet(wanted: list[str], texts: list[str], asked: set[str]) -> list[str]:
    """Return the calls to kill: a call that was in work at an earlier kill is replaced by the next call."""
    unasked = [text for text in wanted if text not in asked]
    others = [text for text in texts if text not in asked and text not in unasked]
    return sorted([*unasked, *others[: len(wanted) - len(unasked)]], key=texts.index)


def _transferable(answer: Any) -> dict[str, Any] | None:
    """Return how the process of the script gets the answer."""
    if answer is REAL:
        return None
    if not callable(answer):
        try:
            json.dumps(answer, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError("answer", answer, "is neither JSON data nor a function") from error
        return {"value": answer}
    name, file = (
        getattr(answer, "__qualname__", "<"),
        inspect.getsourcefile(answer) if inspect.isfunction(answer) else None,
    )
    if "<" in name or file is None:
        raise InvalidArgumentError(
            "answer", answer, "is no function at the top of a module, where the process of the script could find it"
        )
    return {"file": str(Path(file).absolute()), "name": name}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runner:
    """Runs a script in folders of its own, and reads what it asked for."""

    script: Path
    arguments: list[str]
    paid: str
    answer: dict[str, Any] | None
    files: list[Path]
    ignoring: list[str]
    calls_at_once: int
    environment: dict[str, str]
    timeout_seconds: float
    folder: Path

    def until_done(self, texts: list[str], chosen: list[str] | None) -> list[Killed]:
        """Run the script until it ends by itself, killed at each of its calls once, or once at each chosen one."""
        __tracebackhide__ = True
        runs: list[Killed] = []
        left = list(texts if chosen is None else chosen)
        while not runs or runs[-1].killed:
            runs.append(self.run("killed", left if chosen is None else left[:1]))
            left = [text for text in left if text not in runs[-1].killed]
            if chosen is not None:
                left = _not_asked_yet(left, texts, {text for run in runs for _, text in run.asked})
        return runs

    def run(self, where: str, kill_at: list[str]) -> Killed:
        """Run the script once in one of its folders."""
        __tracebackhide__ = True
        folder = self._prepared(where)
        log, order = self.folder / "calls", self.folder / "order.json"
        log.unlink(missing_ok=True)
        path = sys.path if self.answer and "file" in self.answer else []
        given = {"script": str(folder / self.script.name), "folder": str(self.script.parent), "path": path}
        rest = {name: getattr(self, name) for name in ("arguments", "paid", "answer", "ignoring", "calls_at_once")}
        order.write_text(json.dumps({**given, **rest, "log": str(log), "kill_at": kill_at}), "utf-8")
        process = subprocess.Popen(  # noqa: S603 - the user's own script
            [sys.executable, child.__file__, str(order)],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=self.timeout_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.script.name} ran longer than {self.timeout_seconds} s") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        killed = Killed.read(log.read_text("utf-8") if log.exists() else "")
        if process.returncode != (-signal.SIGKILL if killed.killed else 0):
            output_end = output.decode("utf-8", "replace")[-4000:]
            raise AssertionError(f"{self.script.name} ended with {process.returncode} ({where}):\n{output_end}")
        return killed

    def _prepared(self, where: str) -> Path:
        folder = self.folder / where
        if not folder.exists():
            folder.mkdir()
            for source in (self.script, *self.files):
                shutil.copy(source, folder)
        return folder

    def compare(self, outputs: Iterable[str]) -> None:
        """Raise where an output of the killed script differs from that of the undisturbed one."""
        __tracebackhide__ = True
        for name in outputs:
            undisturbed, killed = (self.folder / where / name for where in ("undisturbed", "killed"))
            if not killed.exists() or undisturbed.read_bytes() != killed.read_bytes():
                raise AssertionError(
                    f"{name} is not what the undisturbed run wrote: compare {undisturbed} and {killed}"
                )
