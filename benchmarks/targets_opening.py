"""T5: importing, and opening a store that exists, in fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks import machine, measure, workload
from benchmarks.measure import Report, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

_BARE: Final = "bare Python"
_IMPORT: Final = "import checkpoint_store"
_OPEN: Final = "open a store and read progress"
_SQLALCHEMY: Final = "import sqlalchemy + connect (the reference)"
_SQLALCHEMY_AGAIN: Final = "the same once more (noise)"


def _programs(path: Path, job_id: str) -> dict[str, str]:
    sqlalchemy = (
        "import sqlalchemy\n"
        f"with sqlalchemy.create_engine('sqlite:///{path}').connect() as connection:\n"
        "    connection.exec_driver_sql('SELECT 1').fetchone()"
    )
    return {
        _BARE: "pass",
        _IMPORT: "import checkpoint_store",
        "import checkpoint_store.CheckpointStore": "from checkpoint_store import CheckpointStore",
        "import sqlalchemy": "import sqlalchemy",
        _SQLALCHEMY: sqlalchemy,
        _SQLALCHEMY_AGAIN: sqlalchemy,
        _OPEN: (
            "from checkpoint_store import CheckpointStore\n"
            f"with CheckpointStore({str(path)!r}) as store:\n"
            f"    store.job({job_id!r}).progress()"
        ),
        "the same, read_only=True": (
            "from checkpoint_store import CheckpointStore\n"
            f"with CheckpointStore({str(path)!r}, read_only=True) as store:\n"
            f"    store.job({job_id!r}).progress()"
        ),
        "raw sqlite3, open and read one row": (
            f"import sqlite3\nsqlite3.connect({str(path)!r}).execute('SELECT * FROM jobs').fetchone()"
        ),
    }


def _run(program: str) -> str:
    # An installed library has its bytecode beside it; here the first round writes it, whatever the caller's shell says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=machine.ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return done.stdout


def t5(bench: Bench) -> Report:
    """T5: importing and opening."""
    report = Report("T5", "Importing, and opening a store of 1,000 completed chunks")
    with bench.place() as folder:
        path = folder / "store.db"
        job_id = workload.create_ours(path)
        workload.fill_ours(path, job_id, 0, 1_000)
        programs = _programs(path, job_id)
        if bench.quick:
            programs = {name: programs[name] for name in (_BARE, _IMPORT, _SQLALCHEMY, _OPEN)}
        runners = {name: measure.timed(partial(_run, program)) for name, program in programs.items()}
        found = measure.interleave(runners, bench.rounds(40, 2), warm_up=not bench.quick)
        loaded = _run(f"{programs[_OPEN]}\nimport sys\nprint('alembic' in sys.modules)").strip()
    table = measure.table("A fresh interpreter, from start to end", found, _SQLALCHEMY, unit="ms", scale=1e3)
    report.tables.append(table)
    over: dict[str, list[float]] = {}
    for name, series in found.items():
        over[name] = [mine - bare for mine, bare in zip(series.rounds, found[_BARE].rounds, strict=True)]
    imported = measure.quartiles(over[_IMPORT])
    opened = measure.quartiles([mine / theirs for mine, theirs in zip(over[_OPEN], over[_SQLALCHEMY], strict=True)])
    report.verdicts += [
        Verdict(
            "import checkpoint_store over bare Python",
            imported[1] * 1e3,
            40.0,
            unit="ms",
            note=f"quartiles {imported[0] * 1e3:.0f} to {imported[2] * 1e3:.0f}",
        ),
        Verdict(
            "open and read progress ÷ import sqlalchemy + connect, both over bare Python",
            opened[1],
            1.15,
            note=f"quartiles {opened[0]:.2f} to {opened[2]:.2f}",
        ),
        Verdict("Alembic imported by opening a current store", float(loaded == "True"), 0.0, unit=""),
    ]
    return report
