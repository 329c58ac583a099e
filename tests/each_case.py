"""One test for a table of quick cases, which costs what one test costs, and whose failure names every failing case."""

from __future__ import annotations

from contextlib import ExitStack
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_LABEL_LENGTH_MAX = 60


def each_case(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Iterable[object] | Callable[[Any], object] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test for each case of a table; the arguments are those of ``pytest.mark.parametrize``.

    pytest takes 4 ms of the processor for a test of its own, and a parser or a message takes a tenth of that. Every case is
    tried, whichever fails. Each case has a ``tmp_path`` and a ``monkeypatch`` of its own. The table has every other fixture
    once: in it, a case may leave nothing that another case would see.
    """
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = [_values(case, len(fields)) for case in cases]
    given = None if ids is None or callable(ids) else [str(label) for label in ids]
    assert given is None or len(given) == len(table), f"{len(given or ())} ids do not fit {len(table)} cases"

    def fold(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(**fixtures: Any) -> None:
            failures: list[tuple[str, BaseException]] = []
            for number, values in enumerate(table):
                try:
                    _try(test, dict(zip(fields, values, strict=True)), fixtures, number)
                except (Exception, pytest.fail.Exception) as failure:
                    label = given[number] if given else _label(number, values, ids if callable(ids) else repr)
                    failure.add_note(f"in the case {label}")
                    failures.append((label, failure))
            if failures:
                message = f"{len(failures)} of {len(table)} cases failed: {', '.join(label for label, _ in failures)}"
                raise BaseExceptionGroup(message, [failure for _, failure in failures])

        whole = signature(test)
        kept = [parameter for name, parameter in whole.parameters.items() if name not in fields]
        run.__signature__ = whole.replace(parameters=kept)  # type: ignore[attr-defined]  # pytest reads it
        return run

    return fold


def _values(case: Any, count: int) -> tuple[Any, ...]:
    """Return the values of a case, of which a table of one name has one each."""
    values = case if isinstance(case, tuple) and count > 1 else (case,)
    assert len(values) == count, f"{count} names do not fit {case!r}"
    return values


def _label(number: int, values: tuple[Any, ...], name: Callable[[Any], object]) -> str:
    """Return what names a case: its values, or its number in the table where a value cannot be shown."""
    try:
        return "-".join(str(name(value)) for value in values)[:_LABEL_LENGTH_MAX]
    except Exception:  # a table of hostile values holds what has no text
        return f"number {number}"


def _try(test: Callable[..., None], values: dict[str, Any], fixtures: dict[str, Any], number: int) -> None:
    """Call a test for one case, with a folder and with replacements of its own."""
    own = dict(fixtures)
    with ExitStack() as stack:
        if "tmp_path" in own:
            own["tmp_path"] /= f"case{number}"
            own["tmp_path"].mkdir()
        if "monkeypatch" in own:
            own["monkeypatch"] = stack.enter_context(own["monkeypatch"].context())
        test(**values, **own)
