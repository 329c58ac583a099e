"""T1, T2 and T10: the time of a checkpoint, alone, after a million other checkpoints, and beside other libraries."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from benchmarks import contenders as own
from benchmarks import machine, measure
from benchmarks.contenders import CONTENDERS, JSON, JSON_CONTENDER, LIMITS, NORMAL, OURS, OURS_ALONE, RAW, RAW_AGAIN
from benchmarks.measure import Report, Series, Table, Verdict
from benchmarks.peers import PEERS, why_missing
from benchmarks.plain_sqlalchemy import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender, Session
    from benchmarks.measure import Runner

_BLOCK: Final = 50
_POWER: Final = {"langgraph SqliteSaver.put_writes", "diskcache, synchronous=FULL", "DBOS step"}
"""The peers of T10: what they return for survives a power cut, as with us."""


def everyone() -> list[Contender]:
    """Return every contender that writes checkpoints."""
    return [*CONTENDERS, *PLAIN, *NORMAL, *PEERS, JSON_CONTENDER]


class Field:
    """Contenders with their files open in one folder, and how far each has come."""

    def __init__(self, folder: Path, field: Sequence[Contender], block: int) -> None:
        self.missing = {one.name: reason for one in field if (reason := why_missing(one))}
        self.contenders = [one for one in field if one.name not in self.missing]
        self._block = block
        self._done = {one.name: 0 for one in self.contenders}
        self._sessions: dict[str, Session] = {}
        self._stack = ExitStack()
        for number, one in enumerate(self.contenders):
            place = folder / f"{number}"
            place.mkdir()
            session = one.make(place)
            self._sessions[one.name] = session
            self._stack.callback(session.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fill(self, size: int) -> None:
        """Complete ``size`` chunks in each contender, or as many as it can take."""
        for one in self.contenders:
            self.fill_one(one, size)

    def fill_one(self, one: Contender, size: int) -> None:
        """Complete ``size`` chunks in one contender."""
        if self._done[one.name] < size <= one.fill_limit:
            self._sessions[one.name].fill(self._done[one.name], size)
            self._done[one.name] = size

    def runners(self, size: int = 0) -> dict[str, Runner]:
        """Return a runner for each that has come as far as ``size``."""
        return {one.name: self._runner(one) for one in self.contenders if self._done[one.name] >= size}

    def _runner(self, one: Contender) -> Runner:
        count = max(1, round(self._block * one.block))

        def run() -> list[float]:
            start = self._done[one.name]
            self._done[one.name] += count
            return self._sessions[one.name].run(start, count)

        return run


def _notes(field: Sequence[Contender], syncs: dict[str, float | None]) -> dict[str, str]:
    notes = {}
    for one in field:
        counted = syncs.get(one.name, -1.0)
        text = "" if counted == -1.0 else "; syncs not measured" if counted is None else f"; {counted:.2f} syncs"
        notes[one.name] = f"survives {one.survives}{text}"
    return notes


def _syncs(bench: Bench, folder: Path, field: Sequence[Contender], count: int) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for number, one in enumerate(field):
        if why_missing(one) is None:
            bench.say(f"   strace: {one.name}")
            found[one.name] = machine.syncs_per_checkpoint(one.name, folder / f"syncs-{number}", count)
    return found


def t1(bench: Bench) -> Report:
    """T1: one completion against the limit, on the disk and in memory."""
    report = Report("T1", "A checkpoint: 2.3 KB of JSON, one commit, durable")
    field = [*CONTENDERS, *PLAIN]
    counted = field if not bench.quick else [one for one in field if one.name in (RAW, OURS_ALONE)]
    with bench.place() as folder:
        syncs = _syncs(bench, folder, counted, 40 if bench.quick else 300)
    disk = _one_place(bench, "on the disk", None, field, syncs=syncs)
    report.tables.append(disk[0])
    report.verdicts.append(_against(disk[1], OURS, RAW, 1.25, "job.complete ÷ raw, on the disk"))
    report.verdicts.append(_noise(disk[1]))
    memory = machine.tmpfs()
    if memory is None:
        report.verdicts.append(Verdict("job.complete ÷ raw, in memory", None, 2.2, note="there is no tmpfs here"))
    else:
        found = _one_place(bench, "in memory (tmpfs): what is left is CPU", memory, field)
        report.tables.append(found[0])
        report.verdicts.append(_against(found[1], OURS, RAW, 2.2, "job.complete ÷ raw, in memory"))
    normal = _one_place(bench, "that survives a process kill only, on the disk", None, NORMAL, reference=own.RAW_NORMAL)
    report.tables.append(normal[0])
    return report


def _one_place(
    bench: Bench,
    where: str,
    base: Path | None,
    field: Sequence[Contender],
    *,
    syncs: dict[str, float | None] | None = None,
    reference: str = RAW,
) -> tuple[Table, dict[str, Series]]:
    with bench.place(base) as folder, Field(folder, field, 10 if bench.quick else _BLOCK) as opened:
        found = measure.interleave(opened.runners(), bench.rounds(60, 4))
    made = measure.table(
        f"One checkpoint {where}", found, reference, notes=_notes(field, syncs or {}), missing=opened.missing
    )
    return made, found


def _against(found: dict[str, Series], name: str, reference: str, limit: float, what: str) -> Verdict:
    low, middle, high = measure.quartiles(measure.ratios(found[name], found[reference]))
    return Verdict(what, middle, limit, note=f"quartiles {low:.2f} to {high:.2f}")


def _noise(found: dict[str, Series]) -> Verdict:
    low, middle, high = measure.quartiles(measure.ratios(found[RAW_AGAIN], found[RAW]))
    return Verdict("noise: raw ÷ raw", middle, None, note=f"quartiles {low:.2f} to {high:.2f}")


def t2(bench: Bench) -> Report:
    """T2: the time of a checkpoint after many other checkpoints."""
    report = Report("T2", "A checkpoint after so many others")
    sizes = [bench.size(10**power, 10**power) for power in ((2, 3) if bench.quick else (3, 4, 5, 6))]
    field = [*LIMITS, next(one for one in CONTENDERS if one.name == OURS_ALONE), *PLAIN, *PEERS, JSON_CONTENDER]
    if bench.quick:
        field = [one for one in field if one not in PLAIN and one.name != "DBOS step"]
    small: dict[str, Runner] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(bench.place())
        first, second = folder / "growing", folder / "small"
        first.mkdir()
        second.mkdir()
        opened = stack.enter_context(Field(first, field, 10 if bench.quick else 25))
        for size in [bench.size(100, 10), *sizes]:
            bench.say(f"   {size:,} chunks done")
            opened.fill(size)
            found = measure.interleave(opened.runners(size), bench.rounds(20, 3))
            _add_points(report, size, found)
            if size in sizes:
                title = f"One checkpoint where {size:,} are done"
                report.tables.append(measure.table(title, found, RAW, missing=opened.missing))
        few = stack.enter_context(Field(second, [one for one in field if one.name in (RAW, OURS_ALONE)], 25))
        few.fill(sizes[0])
        small = {f"{name} at {sizes[0]:,}": runner for name, runner in few.runners().items()}
        large = {
            f"{name} at {sizes[-1]:,}": runner
            for name, runner in opened.runners(sizes[-1]).items()
            if name in (RAW, OURS_ALONE)
        }
        found = measure.interleave({**small, **large}, bench.rounds(60, 4))
    report.tables.append(measure.table("The smallest and the largest in turn", found, f"{RAW} at {sizes[0]:,}"))
    report.verdicts.append(_growth(found, sizes[0], sizes[-1]))
    return report


def _add_points(report: Report, size: int, found: dict[str, Series]) -> None:
    for name, series in found.items():
        middle = measure.quartiles(series.seconds)[1] * measure.MICROSECONDS
        report.curves.setdefault(name, []).append((size, middle))


def _growth(found: dict[str, Series], small: int, large: int) -> Verdict:
    ours = measure.ratios(found[f"{OURS_ALONE} at {large:,}"], found[f"{OURS_ALONE} at {small:,}"])
    raws = measure.ratios(found[f"{RAW} at {large:,}"], found[f"{RAW} at {small:,}"])
    low, middle, high = measure.quartiles([mine / theirs for mine, theirs in zip(ours, raws, strict=True)])
    what = f"growth from {small:,} to {large:,} chunks ÷ raw's own"
    return Verdict(what, middle, 1.1, note=f"quartiles {low:.2f} to {high:.2f}")


def t10(bench: Bench) -> Report:
    """T10: beside other libraries, with 2,000 chunks done."""
    done = bench.size(2_000, 2_000)
    report = Report("T10", f"Beside other libraries, {done:,} chunks done")
    field = [*LIMITS, next(one for one in CONTENDERS if one.name == OURS), *PEERS, JSON_CONTENDER]
    with bench.place() as folder:
        syncs = {} if bench.quick else _syncs(bench, folder, [*PEERS, JSON_CONTENDER], 30)
    with bench.place() as folder, Field(folder, field, 25) as opened:
        opened.fill(200 if bench.quick else done)
        for one in opened.contenders:
            if one.name == JSON:
                opened.fill_one(one, done)
        found = measure.interleave(opened.runners(), bench.rounds(30, 2))
    report.tables.append(
        measure.table("One checkpoint", found, RAW, notes=_notes(field, syncs), missing=opened.missing)
    )
    peers = {name: measure.quartiles(found[name].seconds)[1] for name in _POWER if name in found}
    fastest = min((name for name in peers if name != "DBOS step"), key=peers.__getitem__, default=None)
    if fastest is None:
        report.verdicts.append(Verdict("÷ the fastest peer", None, 1.3, note="none of them is installed"))
    else:
        report.verdicts.append(_against(found, OURS, fastest, 1.3, f"÷ the fastest peer ({fastest})"))
    for name, limit in (("DBOS step", 8.0), (JSON, 200.0)):
        if name in found:
            factor = measure.middle_ratio(found, name, OURS)
            report.verdicts.append(Verdict(f"faster than {name}", factor, limit, ">="))
        else:
            report.verdicts.append(Verdict(f"faster than {name}", None, limit, ">=", note=opened.missing[name]))
    return report
