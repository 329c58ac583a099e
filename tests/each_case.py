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
    names: str | Sequence[str],
    cases: Iterable[Any] | Callable[[], Iterable[Any]],
    *,
    ids: Iterable[object] | Callable[[Any], object] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test for each case of a table; the arguments are those of ``pytest.mark.parametrize``.

    Give a function that returns the cases where they need an import that takes long: only the process that runs the test
    calls it, while every process imports the module.

    pytest takes 4 ms of the processor for a test of its own, and a parser or a message takes a tenth of that. Every case is
    tried, whichever fails; a case that skips itself fails, and so does a table without cases. Each case has a ``tmp_path``
    and a ``monkeypatch`` of its own. The table has every other fixture once: in it, a case may leave nothing that another
    case would see.
    """
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = None if callable(cases) else _Table(len(fields), cases, ids)

    def fold(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(**fixtures: Any) -> None:
            tried = table or _Table(len(fields), cases() if callable(cases) else cases, ids)
            failures: list[tuple[str, BaseException]] = []
            for number, values in enumerate(tried.rows):
                try:
                    _try(test, dict(zip(fields, values, strict=True)), fixtures, number)
                except (Exception, pytest.fail.Exception, pytest.skip.Exception) as failure:
                    label = tried.label(number)
                    failure.add_note(f"in the case {label}")
                    failures.append((label, failure))
            if failures:
                named = ", ".join(label for label, _ in failures)
                message = f"{len(failures)} of {len(tried.rows)} cases failed: {named}"
                raise BaseExceptionGroup(message, [failure for _, failure in failures])

        whole = signature(test)
        kept = [parameter for name, parameter in whole.parameters.items() if name not in fields]
        run.__signature__ = whole.replace(parameters=kept)  # type: ignore[attr-defined]  # pytest reads it
        return run

    return fold


class _Table:
    """The cases of a test, with what names each."""

    def __init__(
        self, width: int, cases: Iterable[Any], ids: Iterable[object] | Callable[[Any], object] | None
    ) -> None:
        self.rows = [case if isinstance(case, tuple) and width > 1 else (case,) for case in cases]
        assert self.rows, "a table without cases tries nothing"
        for row in self.rows:
            assert len(row) == width, f"{width} names do not fit {row!r}"
        self._name = ids if callable(ids) else repr
        self._ids = None if ids is None or callable(ids) else [str(label) for label in ids]
        if self._ids is not None:
            assert len(self._ids) == len(self.rows), f"{len(self._ids)} ids do not fit {len(self.rows)} cases"

    def label(self, number: int) -> str:
        """Return what names a case: its id, its values, or its number where a value cannot be shown."""
        if self._ids is not None:
            return self._ids[number]
        try:
            return "-".join(str(self._name(value)) for value in self.rows[number])[:_LABEL_LENGTH_MAX]
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
