"""``python -m benchmarks``: how fast the library is on this machine, against the limit and against others."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine, page
from benchmarks.bench import Bench
from benchmarks.peers import versions
from benchmarks.targets_amap import t18
from benchmarks.targets_bytes import t14, t14b
from benchmarks.targets_looking import t12, t13, t17
from benchmarks.targets_opening import t5
from benchmarks.targets_pace import t11, t11b
from benchmarks.targets_processes import t4
from benchmarks.targets_reading import t6, t7, t9
from benchmarks.targets_saving import t16
from benchmarks.targets_state import t8
from benchmarks.targets_threads import t3
from benchmarks.targets_typed import t15
from benchmarks.targets_write import t1, t2, t10

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Report

TARGETS: Final[dict[str, Callable[[Bench], Report]]] = {
    "T1": t1, "T2": t2, "T3": t3, "T4": t4, "T5": t5, "T6": t6, "T7": t7, "T8": t8, "T9": t9, "T10": t10,
    "T11": t11, "T11B": t11b, "T12": t12, "T13": t13, "T14": t14, "T14B": t14b, "T15": t15, "T16": t16, "T17": t17,
    "T18": t18,
}  # fmt: skip


def _default_folder() -> str:
    """Where files are kept on a disk: the usual temporary folder is in memory on many machines."""
    lasting = Path("/var/tmp")
    return str(lasting) if lasting.is_dir() and os.access(lasting, os.W_OK) else tempfile.gettempdir()


def _chosen(text: str) -> list[str]:
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} is none of {', '.join(TARGETS)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a minute on a quiet machine, five on a busy one: only to see that it works",
    )
    parser.add_argument("--only", type=_chosen, default=list(TARGETS), metavar="T1,T3", help="these targets only")
    parser.add_argument("--folder", type=Path, default=Path(_default_folder()), help="on the disk to be measured")
    parser.add_argument("--scale", type=float, default=1.0, help="of the large stores: 0.1 makes 100,000 of a million")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured to this file")
    parser.add_argument("--plot", type=Path, metavar="OUT.svg", help="draw time per checkpoint against chunks done")
    parser.add_argument("--page", type=Path, metavar="JSON", help="measure nothing: write a run's --json into the page")
    parser.add_argument("--draw-from", type=Path, metavar="JSON", help="measure nothing: draw an earlier run's --json")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; nothing depends on how fast anything was."""
    options = _parser().parse_args(arguments)
    if options.page is not None:
        return _write_page(options.page)
    if options.draw_from is not None:
        if options.plot is None:
            _parser().error("--draw-from needs --plot")
        _draw(json.loads(options.draw_from.read_text("utf-8")), options.plot)
        return 0
    try:
        from benchmarks import report as paper  # needs an extra
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: pip install 'checkpoint-store[bench]'", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.folder.absolute(), quick=options.quick, scale=options.scale)
    facts, to = machine.facts(bench.folder), paper.console()
    paper.print_facts(to, "This machine", {**facts, **versions()})
    reports = []
    for name in options.only:
        bench.say(f"{name} …")
        started = time.monotonic()
        found = TARGETS[name](bench)
        found.seconds = time.monotonic() - started
        reports.append(found)
        paper.print_report(to, found)
    paper.print_verdicts(to, reports)
    bench.say(f"The whole run took {sum(one.seconds for one in reports) / 60:.1f} minutes.")
    asked: dict[str, Any] = {"quick": bench.quick, "scale": bench.scale, "only": options.only}
    made = paper.document(facts, versions(), asked, reports)
    if options.json is not None:
        paper.write_json(options.json, made)
    if options.plot is not None:
        _draw(made, options.plot)
    return 0


def _write_page(figures: Path) -> int:
    try:
        page.write(json.loads(figures.read_text("utf-8")), TARGETS)
    except ValueError as error:
        print(f"{figures}: {error}", file=sys.stderr)
        return 2
    return 0


def _draw(made: dict[str, Any], path: Path) -> None:
    from benchmarks import plot  # needs an extra

    try:
        plot.draw(made, path)
    except ModuleNotFoundError as error:
        print(f"no plot: {error.name} is not installed: pip install 'checkpoint-store[bench]'", file=sys.stderr)
    except ValueError as error:
        print(f"no plot: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
