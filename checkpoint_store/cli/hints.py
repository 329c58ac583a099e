"""Hints for what was typed by habit: the words of other tools, and the name of an output in a wrong place."""

from __future__ import annotations

import os
import re
import shutil
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.early import own_words
from checkpoint_store.cli.paths import is_program, printable, shell_words, store_named_by, typed_line
from checkpoint_store.errors import JobNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_STORES: Final = (".db", ".sqlite", ".sqlite3")
_RUN: Final = "checkpoint-store run FILE -- COMMAND"
_RUN_WITH_OPTIONS: Final = "checkpoint-store run FILE OPTIONS -- COMMAND"
_NOTHING: Final = "not needed"


def _by_name(table: Mapping[str, str]) -> dict[str, str]:
    """Return what each name means, of a table whose keys are names with spaces between them."""
    return {name: meaning for names, meaning in table.items() for name in names.split()}


COMMANDS: Final = _by_name(
    {
        "eval exec start process map": _RUN,
        "prompt chat": "checkpoint-store run FILE -- llm -m MODEL",
        "models keys config configure": "COMMAND's own: checkpoint-store run FILE -- llm -m MODEL",
        "init create new": f"{_NOTHING}; the first run begins the store",
        "dry-run dryrun preview estimate": "checkpoint-store plan FILE -- COMMAND",
        "continue": "checkpoint-store resume [JOB]",
        "eval-retry retry-failed rerun-failed": "checkpoint-store resume [JOB] --failed",
        "rerun restart": "checkpoint-store run FILE --fresh -- COMMAND",
        "stop cancel kill suspend": "checkpoint-store pause [JOB]",
        "unlock": f"{_NOTHING}; the chunks of a killed process are free; for one that was stopped for good, "
        "checkpoint-store release [JOB] --runner N",
        "ls jobs ps status workflow workflows": "checkpoint-store list",
        "steps samples": "checkpoint-store chunks [JOB]",
        "log logs history failures": "checkpoint-store errors [JOB]",
        "info describe inspect progress watch": "checkpoint-store show [JOB]",
        "cost costs usage": "checkpoint-store list, or show [JOB]",
        "view html serve dashboard": "checkpoint-store report",
        "get cat output outputs score": "checkpoint-store results [JOB]",
        "tables rows query sql schema memory": "a tool for SQLite, because the store is an SQLite file: sqlite3 STORE, "
        "or sqlite-utils query STORE SQL",
        "insert upsert": "checkpoint-store import FILE, or merge OTHER",
        "rm remove del reset": "checkpoint-store delete [JOB]",
        "clean gc vacuum cache": "checkpoint-store prune",
        "upgrade update": "checkpoint-store migrate",
        "dump save": "checkpoint-store export [JOB], or backup DEST",
        "copy": "checkpoint-store backup DEST",
        "load": "checkpoint-store import FILE",
        "repair fix": "checkpoint-store recover",
        "verify lint fsck": "checkpoint-store check",
        "version": "checkpoint-store --version",
        "help": "checkpoint-store --help, or checkpoint-store COMMAND --help",
    }
)
"""Commands of other tools, and the commands here that replace them."""

RUN_OPTIONS: Final = _by_name(
    {
        "-j --jobs -P --max-procs -w -c --cores --threads --concurrency --max-connections --max-workers": "--workers N",
        "--max-retries --attempts --max-attempts --restart-times": "--retries N",
        "--resume --rerun-incomplete --continue": f"{_NOTHING}; this line without it goes on; so does "
        "checkpoint-store resume [JOB]",
        "--resume-failed --retry-failed": "checkpoint-store resume [JOB] --failed",
        "-n --dry-run --dryrun --just-print": "checkpoint-store plan FILE -- COMMAND",
        "-k --keep-order --group": f"{_NOTHING}; the output has the order of the input",
        "--bar --eta --progress": f"{_NOTHING}; a terminal shows it; elsewhere, checkpoint-store show [JOB] --follow",
        "--keep-going --no-fail-on-error --fail-on-error": "--retries N; then a chunk that fails holds up no other",
        "--delay --rpm --rate-limit": "--max-calls-per-minute N",
        "-o --results --outputdir --out": "--output PATH; and checkpoint-store results [JOB] prints what is there",
        "--limit --sample": "--only 0-9, which are the first ten chunks",
        "--pipe --pipepart --block -L": "--split lines, or --chunk-size N",
        "-a --arg-file": "FILE, as an argument; with --split lines each of its lines is a chunk",
        "-m": "--model NAME to record it, and COMMAND to call it: run FILE --model NAME -- llm -m NAME",
        "-s --system --prompt -t --template": "COMMAND's own: run FILE -- llm -s PROMPT",
        "--key --api-key": "COMMAND's own, from the environment; the store keeps no secret",
        "-F --forceall --forcerun --overwrite --no-resume --restart": "--fresh",
        "--budget --max-spend --cost-limit": "--max-cost AMOUNT",
        "--time-limit --max-time": "--deadline SECONDS for the run, or --timeout SECONDS for a chunk",
        "-d --db --database --log-dir": "--store PATH",
    }
)
"""Options of other tools for work, and the options here that replace them."""

OPTIONS: Final = _by_name(
    {
        "-n --max -l --last": "list --limit N",
        "-f --watch --tail": "show [JOB] --follow",
        "-y --force": "--yes, where a command deletes",
        "-d --db --database --log-dir": "--store PATH",
        "--nl --ndjson --jsonl": "--json, and then jq -c '.[]'",
        "--fmt --format --table -t": "--csv, --tsv or --json, where a command has them",
        "--report": "checkpoint-store report",
        "--unlock": f"{_NOTHING}; the chunks of a killed process are free",
        "-v -V": "--version",
    }
)
"""Options of other tools for inspection and maintenance, and the options here that replace them."""


def hint_of(error: click.ClickException, words: Sequence[str]) -> str | None:
    """Return a line that says what to type in place of a line that is not understood, or None.

    If an option gets a hint, the error no longer guesses by likeness: ``--jobs`` is not ``--json``.
    """
    hint = _dash_hint(words) or _command_hint(words) if isinstance(error, click.NoSuchOption) else None
    if isinstance(error, click.UsageError):
        hint = hint or _meaning(error, words)
    if hint is not None and isinstance(error, click.NoSuchOption):
        error.possibilities = []  # type: ignore[misc]  # click means it for reading
    return hint or _line_hint(words)


def _line_hint(words: Sequence[str]) -> str | None:
    """Return how to write a ``run`` or ``plan`` whose FILEs and COMMAND are not told apart, or None."""
    if list(words[1:2]) not in (["run"], ["plan"]) or "--" in words:
        return None
    if ":::" in words or _begins_with_command(words[2:]):
        return f"FILEs come first, and COMMAND after --: checkpoint-store {words[1]} FILE -- COMMAND"
    return _command_hint(words)


def _dash_hint(words: Sequence[str]) -> str | None:
    """Return how to write the first word that was taken for an option and looks like a file's name, or None."""
    options = (word for word in own_words(words) if word.startswith("-"))
    name = next((word for word in options if "." in word or os.path.lexists(word)), None)
    return None if name is None else f"To name the file {printable(name)}, write {shell_words([f'./{name}'])}"


def _command_hint(words: Sequence[str]) -> str | None:
    """Return how to write a ``run`` or ``plan`` that has no ``--`` before its COMMAND; None where none is forgotten."""
    if list(words[1:2]) not in (["run"], ["plan"]) or "--" in words:
        return None
    from checkpoint_store.cli.run.run import run  # most lines have no error

    flags = {name for option in run.params if getattr(option, "is_flag", False) for name in option.opts}
    has_file = False
    for position in range(2, len(words)):
        word, before = words[position], words[position - 1]
        if word.startswith("-") or (before.startswith("-") and before not in flags):
            continue
        if has_file and shutil.which(word) and (not os.path.lexists(word) or is_program(Path(word))):
            line = shell_words([*words[1:position], "--", *words[position:]])
            return f"COMMAND comes after --: checkpoint-store {line}"
        has_file = True
    return None


def _begins_with_command(words: Sequence[str]) -> bool:
    """Whether a line has a program before its files, as in a shell: ``tr a-z A-Z talk.txt``."""
    plain = [word for word in words if not word.startswith("-")]
    return (
        len(plain) > 1
        and not Path(plain[0]).exists()
        and shutil.which(plain[0]) is not None
        and Path(plain[-1]).exists()
    )


def _meaning(error: click.UsageError, words: Sequence[str]) -> str | None:
    """Return what an unknown command, option or argument perhaps meant, or None."""
    if error.ctx is None:
        return None
    command = error.ctx.command
    names = command.list_commands(error.ctx) if isinstance(command, click.Group) else []
    if isinstance(error, click.NoSuchOption):
        if command.name == "resume" and error.option_name in _names_of_run():
            return f"resume repeats the options of the last run. To change them, go on with: {_RUN_WITH_OPTIONS}"
        return _of_option(error.option_name, command, names, words)
    if names:
        return _of_command(words[1], names) if len(words) > 1 else None
    extra = re.fullmatch(r"Got unexpected extra argument \((.+)\)", error.message)
    if extra is not None and Path(extra[1]).suffix in _STORES:
        return f"To name the store, write --store {shell_words([extra[1]])}"
    return None


def _names_of_run() -> set[str]:
    """Return the options of ``run``, here and in other tools."""
    from checkpoint_store.cli.run.run import run  # most lines have no error

    return {*RUN_OPTIONS, *(name for parameter in run.params for name in parameter.opts)} - {*OPTIONS}


def _of_command(word: str, names: Sequence[str]) -> str | None:
    if word in names:
        return None
    if word in COMMANDS:
        return f"Here that is: {COMMANDS[word]}"
    if Path(word).is_file():
        is_store = Path(word).suffix in _STORES
        return f"Write: checkpoint-store {shell_words(['list', '--store', word] if is_store else ['run', word])}"
    near = get_close_matches(word, names, n=1)
    return f"Did you mean: checkpoint-store {near[0]}?" if near else None


def _of_option(name: str, command: click.Command, names: Sequence[str], words: Sequence[str]) -> str | None:
    if names:
        later = next((word for word in words[1:] if word in names), None)
        if later is not None:
            others = [word for word in words[1:] if word != later]
            return f"Options come after the command: checkpoint-store {shell_words([later, *others])}"
        known = OPTIONS | RUN_OPTIONS
    else:
        known = RUN_OPTIONS if command.name in ("run", "plan") else OPTIONS
    return f"Here that is: {known[name]}" if name in known else None


_WRITTEN: Final = (".json", ".jsonl", ".csv", ".tsv", ".html", ".htm")
"""The suffixes of files that people have a command write, and that few jobs have in their names."""
_TEXTS: Final = (".txt", ".md", ".log", ".out")
"""Other suffixes of such files: a name of this kind in the place of a job is rather that of another job."""
_PRINTS: Final = frozenset(
    ("list", "show", "results", "chunks", "errors", "path", "check", "doctor", "plan", "datasette-metadata")
)
"""The commands that print, and write no file. ``plan`` takes ``--output`` for the run that it is about."""
_OUTPUT_OPTIONS: Final = ("-o", "--output", "--out", "--output-file")
_EXTRA: Final = re.compile(r"Got unexpected extra arguments? \((.+)\)")


def output_hint(error: Exception, words: Sequence[str]) -> str | None:
    """Return the line that writes the file which a command line seems to name, or None."""
    command = words[1] if len(words) > 1 else ""
    if isinstance(error, click.NoSuchOption):
        return _line(command, None, words) if error.option_name in _OUTPUT_OPTIONS else None
    if isinstance(error, JobNotFound):
        name = error.job_id
        is_output = not error.matches and Path(name).suffix in _WRITTEN
        return _line(command, name, words) if is_output else None
    extra = _EXTRA.fullmatch(error.message) if isinstance(error, click.UsageError) else None
    name = extra[1].split()[-1] if extra is not None else ""
    is_output = Path(name).suffix in (*_WRITTEN, *_TEXTS) or (command == "backup" and name != "")
    return _line(command, name, words) if is_output else None


def _line(command: str, name: str | None, words: Sequence[str]) -> str | None:
    """Return how a command is told to write a file of this name; None for a command that neither writes nor prints."""
    file, store = shell_words([name]) if name is not None else "PATH", store_named_by(words)
    if command == "export":
        return f"The file to write comes after the job: {typed_line([command], store, 'JOB', file)}"
    if command == "report":
        return f"To write the page there: {typed_line([command], store, '-o', file)}"
    if command == "backup":
        return f"The copy is of the whole store, and its name is the one argument: {typed_line([command], store, file)}"
    if command not in _PRINTS:
        return None
    form = " --json" if file.endswith(".json") else ""
    return f"{command} prints; to have that in a file, end the line with:{form} > {file}"
