"""The pages of the reference that are made from the code while the site is built, so that they cannot go stale.

Each function returns the Markdown that takes the place of ``<!-- generated -->`` in its page.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import checkpoint_store
from checkpoint_store.cli.app import group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).resolve().parents[1]


def commands() -> str:
    """Return a section for each command, with all that its ``--help`` says."""
    context = click.Context(group, info_name="checkpoint-store", terminal_width=1000, **group.context_settings)
    parts = [_command(group, context)]
    for path, command, inner in _all_commands(group, context):
        parts += [f"## {path}", _command(command, inner)]
    return "\n\n".join(parts)


def _all_commands(parent: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context, terminal_width=1000)
        yield inner.command_path.removeprefix("checkpoint-store "), command, inner
        if isinstance(command, click.Group):
            yield from _all_commands(command, inner)


def _command(command: click.Command, context: click.Context) -> str:
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f".. program:: {context.command_path}", ""]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            lines += [f".. option:: {record[0]}", "", f"   {_plain_rst(record[1])}", ""]
    text = _help(command.help or "")
    return f"```text\n{usage}\n```\n\n{text}\n\n{_rst(lines)}"


def _help(text: str) -> str:
    r"""Return a help text as Markdown: a paragraph that ``\b`` keeps as it is becomes a block."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text).split("\f")[0])
    return "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs)


def _paragraph(paragraph: str) -> str:
    if paragraph.startswith("\b\n "):
        return "```text\n" + inspect.cleandoc(paragraph.removeprefix("\b").strip("\n")) + "\n```"
    escaped = re.sub(r"([*_<\[`])", r"\\\1", paragraph.removeprefix("\b\n"))
    return re.sub(r"(?<!\w)--[a-z][a-z-]*", r"`\g<0>`", escaped)


def _plain_rst(text: str) -> str:
    escaped = re.sub(r"([\\*_`|])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)--[a-z][a-z-]*", r"``\g<0>``", escaped)


def _rst(lines: list[str]) -> str:
    return "\n".join(["```{eval-rst}", *lines, "```"])


def names_of(module_name: str) -> list[str]:
    """Return the public names of a module, as its ``__all__`` has them."""
    return list(importlib.import_module(module_name).__all__)


def public_modules() -> list[str]:
    """Return the modules beside the package's own names that say by ``__all__`` what is public in them."""
    found = []
    for module in pkgutil.iter_modules(checkpoint_store.__path__):
        source = Path(checkpoint_store.__path__[0]) / module.name
        file = source / "__init__.py" if module.ispkg else source.with_suffix(".py")
        if re.search(r"^__all__\b", file.read_text("utf-8"), re.MULTILINE):
            found.append(f"checkpoint_store.{module.name}")
    return found


def errors_and_warnings() -> list[str]:
    """Return the public names that are exceptions or warnings."""
    return [name for name in names_of("checkpoint_store") if _is_error(getattr(checkpoint_store, name))]


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseException)


FIRST: Final = (
    "CheckpointStore",
    "Job",
    "PendingChunk",
    "current_attempt",
    "Attempt",
    "StateManager",
    "ProcessingState",
)
"""What a program uses most comes first; the rest follows by name."""


def api() -> str:
    """Return the API reference: every public name but the errors, with its docstring, options and defaults."""
    names = [name for name in names_of("checkpoint_store") if not _is_error(getattr(checkpoint_store, name))]
    ordered = [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
    parts = ["## checkpoint_store", *(_documented("checkpoint_store", name) for name in ordered)]
    for module in public_modules():
        parts += [f"## {module}", _rst([f".. automodule:: {module}", "   :no-members:"])]
        parts += [_documented(module, name) for name in names_of(module)]
    return "\n\n".join(parts)


INTERNAL: Final = "before_fork", "after_fork", "forget_in_child"
"""Methods that the library calls by itself, in every class that is told of a fork."""
CALLS: Final = {"kill_and_resume": "checkpoint_store.testing.killing.KillAndResume.__call__"}
"""A fixture of pytest, and the method that describes the arguments that it is called with."""


def _documented(module: str, name: str) -> str:
    value = getattr(importlib.import_module(module), name)
    kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
    lines = [f".. auto{kind}:: {module}.{name}"]
    if name in CALLS:
        return _rst([*lines, "", f".. automethod:: {CALLS[name]}"])
    if kind == "class":
        lines += ["   :members:", *(["   :undoc-members:"] if issubclass(value, Enum) else [])]
        lines += ["   :inherited-members: str, int, tuple, dict, Enum, Exception"]
        lines += [f"   :exclude-members: {', '.join(INTERNAL)}"]
    return _rst(lines)


def errors() -> str:
    """Return each error: what it means, a message as a user sees it, and its fields."""
    return "\n\n".join(_error(name) for name in errors_and_warnings())


def _error(name: str) -> str:
    lines = [f".. autoexception:: checkpoint_store.{name}", "   :show-inheritance:", ""]
    if name in _examples():
        error, fields, _ = _examples()[name]
        lines += ["   .. code-block:: text", "      :class: message", ""]
        lines += [f"      {line}" for line in f"{type(error).__name__}: {error}".splitlines()]
        lines += ["", "   Fields: " + ", ".join(f"``{field}``" for field in fields)] if fields else []
    callers = [
        f":py:obj:`{call.removeprefix('checkpoint_store.')} <{call}>`" for call, raised in _calls() if name in raised
    ]
    lines += ["", "   Raised by: " + ", ".join(callers)] if callers else []
    return _rst(lines)


@cache
def _calls() -> list[tuple[str, frozenset[str]]]:
    """Return each public call that names errors under ``Raises``, with these errors."""
    calls = []
    for module in ("checkpoint_store", *public_modules()):
        for name in names_of(module):
            value = getattr(importlib.import_module(module), name)
            members = [name, *(f"{name}.{member}" for member in dir(value) if member[0] != "_")]
            calls += [(f"{module}.{path}", _raised(value, path)) for path in (members if _is_class(value) else [name])]
    return [(call, raised) for call, raised in calls if raised]


def _is_class(value: object) -> bool:
    return inspect.isclass(value) and not _is_error(value)


def _raised(value: object, path: str) -> frozenset[str]:
    described = getattr(value, path.partition(".")[2]) if "." in path else value
    section = re.search(r"^Raises:\n((?:[ ]+.*\n?|\n)*)", inspect.getdoc(described) or "", re.MULTILINE)
    named = re.findall(r"^    ([A-Z]\w+(?:, [A-Z]\w+)*):", section[1], re.MULTILINE) if section else []
    return frozenset(name for names in named for name in names.split(", "))


def _examples() -> dict[str, tuple[Exception, dict[str, object], str]]:
    """Return each error as the tests make it: a test holds that no error is missing there."""
    sys.path[:0] = [str(ROOT / "tests" / "unit"), str(ROOT / "tests")]
    try:
        examples: dict[str, tuple[Exception, dict[str, object], str]] = importlib.import_module("test_errors").EXAMPLES
    finally:
        del sys.path[:2]
    return examples


PAGES: Final[dict[str, Callable[[], str]]] = {
    "reference-commands": commands,
    "reference-api": api,
    "reference-errors": errors,
}
"""What fills the place for generated text, by the name of the page."""
