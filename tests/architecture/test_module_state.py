"""What a module keeps between calls is listed here, each with the reason why no object can keep it.

Memoized functions (``functools.cache``) are not listed: they give the same answer without their memory.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .imports import PACKAGE, nodes_of, sources, tree_of, within

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = {
    "execution/claims/chunk_queue.py": {"_acting": "the thread for which a loop acts, per thread"},
    "execution/claims/claimed_chunk.py": {"_by_runner": "a loop finds the chunks that other store objects claimed"},
    "execution/context.py": {"_made": "an open store object records what comes for one that was closed"},
    "execution/loops/open_loops.py": {"_open_stores": "loops that are open are ended as the interpreter ends"},
    "loop/executors/processes.py": {
        "_is_watching": "one watcher of forks for each process",
        "_launching": "whether this thread launches a worker now, seen by the hook of forks",
    },
    "loop/signals.py": {
        "_active": "a signal is for all loops of the process",
        "_replaced_handlers": "the handlers of a process are global",
        "_mask_before_fork": "the signal mask of a thread, over its fork",
    },
    "model/attempt.py": {
        "_current": "what current_attempt() gives, per task, and on which jobs the task works",
        "_at_work": "which threads of the process are at work, so that a deadlock is noticed",
    },
    "model/clock.py": {"_second": "the text of this second serves all of its moments; a cached function takes longer"},
    "model/codec/json_text.py": {"_last_was_ascii": "the form that is tried first; the text is the same"},
    "storage/datasette/plugin.py": {"_stores": "which databases of Datasette are stores; a plug-in has no object"},
    "storage/connection/openings.py": {
        "openings": "POSIX locks belong to the process, whatever object took them",
    },
    "storage/connection/store_file.py": {"_inherited": "connections of the parent are never closed in a child"},
    "storage/records/saved_state.py": {"_recorded_here": "all managers of a process are one program's"},
    "storage/runner_lock.py": {"_held": "a process may not probe its own locks"},
    "storage/upgrade/migrate.py": {"_one_at_a_time": "Alembic's op and context are global"},
    "system/file_lock.py": {"_mutexes": "threads of one process share a file lock"},
    "system/log.py": {
        "_held": "the warnings of a thread that wait for the end of the work of a call",
        "log": "its handlers are the host program's, and one that raises ends no work",
    },
    "system/forks.py": {
        "_forks": "the forks that are under way in each thread, for a signal handler that forks meanwhile",
        "_hooks": "Python never forgets a hook of forks, and their order matters",
        "_objects": "which objects a fork concerns",
        "_places": "the order in which Python calls the hooks",
    },
}
"""By file, the names that it keeps, and why."""

STATEFUL = {"ContextVar", "Lock", "RLock", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary", "count", "local"}
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popleft", "remove", "setdefault", "update"}


def bound(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that is bound in a module or a class, with its value."""
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Name):
                yield target.id, statement.value


def changed(tree: ast.Module) -> set[str]:
    """Return the names whose objects this module changes, or that it binds anew in a function."""
    found = {name for node in nodes_of(tree) if isinstance(node, ast.Global) for name in node.names}
    for node in nodes_of(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            found |= named(node.func.value)
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            found |= named(node.value)
    return found


def named(node: ast.expr) -> set[str]:
    """Return the name that an expression is, if it is one, or that of an attribute of a class."""
    if isinstance(node, ast.Name):
        return {node.id}
    return {node.attr} if isinstance(node, ast.Attribute) and named(node.value) == {"cls"} else set()


def keeps_state(value: ast.expr, classes: set[str]) -> bool:
    """Whether a value is made to be changed: a lock, a weak collection, an object of a private class."""
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    return name in STATEFUL or (name in classes and name.startswith("_"))


def state_of(tree: ast.Module) -> set[str]:
    """Return what a module keeps between calls: names of the module, and of its classes."""
    changing = changed(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    names = {one.name for one in classes}
    found = {name for name, value in bound(tree.body) if name in changing or keeps_state(value, names)}
    for one in classes:
        containers = (ast.Dict, ast.List, ast.Set)
        of_class = [(name, value) for name, value in bound(one.body) if not name.startswith("__")]
        found |= {f"{one.name}.{name}" for name, value in of_class if keeps_state(value, names)}
        found |= {
            f"{one.name}.{name}" for name, value in of_class if isinstance(value, containers) and name in changing
        }
    return found


def test_what_modules_keep_is_listed_with_its_reason() -> None:
    """State that no object owns is rare, and who adds some says why."""
    found = {within(path): state_of(tree_of(path)) for path in sources(PACKAGE)}
    assert {file: names for file, names in found.items() if names} == {
        file: set(names) for file, names in STATE.items()
    }


def test_state_is_seen() -> None:
    """The control: a dictionary that is filled, a number that is counted up, and a lock."""
    source = "known = {}\ncount = 0\nlock = Lock()\nfixed = {}\ndef f():\n    global count\n    known[1] = 2\n"
    assert state_of(ast.parse(source)) == {"known", "count", "lock"}
