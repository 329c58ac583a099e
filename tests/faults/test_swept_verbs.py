"""The sweep of faults leaves no verb of the storage out: each one that writes is among its operations."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import checkpoint_store
from checkpoint_store.storage import verbs
from faults.conftest import child_environment
from faults.sweep import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCEPTED = {
    "BudgetStorage.free": "clears a number of attempts that are not in work; a loop that could not say it says it again",
    "RunnerStorage.others_at_work": "reads, and records the end of dead runners as RunnerStorage.reap_dead does",
}
"""The writing verbs that no operation is for, each with the reason."""
WRITES = {"write", "write_if_free", "_write_of_job", "submit", "merge_all", "scrub_wal"}
"""What a verb calls that begins a transaction."""


def writing_verbs() -> Iterator[tuple[str, str, str]]:
    """Yield module, class and name of each verb of the storage that writes."""
    folder = Path(verbs.__path__[0])
    for path in [*sorted(folder.glob("*.py")), folder.parent / "storage.py"]:
        module = ".".join(path.relative_to(Path(checkpoint_store.__file__).parents[1]).with_suffix("").parts)
        for made in ast.walk(ast.parse(path.read_text("utf-8"))):
            methods = made.body if isinstance(made, ast.ClassDef) else []
            for method in methods:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    called = {node.func for node in ast.walk(method) if isinstance(node, ast.Call)}
                    if not WRITES.isdisjoint(getattr(each, "attr", getattr(each, "id", "")) for each in called):
                        yield module, made.name, method.name


def test_each_writing_verb_is_swept() -> None:
    """A new verb that writes gets an operation, in which each of its system calls fails once, or a reason for none."""
    swept = {verb for operation in OPERATIONS.values() for verb in operation.verbs}
    assert swept | set(EXCEPTED) == {f"{owner}.{name}" for _, owner, name in writing_verbs()}
    assert swept & set(EXCEPTED) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.verbs])
def test_an_operation_runs_its_verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What an operation says that it runs is run while the faults are armed."""
    operation = OPERATIONS[name]
    monkeypatch.setenv("PYTHONPATH", child_environment()["PYTHONPATH"])
    operation.template(tmp_path)
    begun = operation(tmp_path)
    called = set()

    def noting(verb: str, original: Any) -> Any:
        def method(*args: Any, **options: Any) -> Any:
            called.add(verb)
            return original(*args, **options)

        return method

    with monkeypatch.context() as patch:
        for module, owner, method in writing_verbs():
            where, verb = getattr(import_module(module), owner), f"{owner}.{method}"
            patch.setattr(where, method, noting(verb, getattr(where, method)))
        begun.attempt()
    begun.finish()
    assert set(operation.verbs) <= called
