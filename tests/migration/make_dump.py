"""Make the frozen dump of the present schema: ``python tests/migration/make_dump.py``, once for each release.

A dump that was released is never made again.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from checkpoint_store import CheckpointStore, Job
from checkpoint_store.model.store_file import SCHEMA_VERSION

DUMPS = Path(__file__).parent / "dumps"
CHUNKS = ["Good evening.", "Wir wählen den Mond 😀.", "Not because it is easy.", "Because it is hard.", "Thank you."]


def clean(text: str) -> dict[str, object]:
    """What the processor of the dump does."""
    return {"cleaned_text": text.upper(), "tokens": len(text), "cost": 0.25}


def make(path: Path, *, carries: bool = False, redoes: bool = False) -> None:
    """Make a store with a half-done job, attempts of every outcome, an old job that is done, and one that failed.

    ``carries``: and one that carries a result of the old job, which schemas before 1.3 cannot say. ``redoes``: and a
    result that replaced another one, one that answers a redo, and a chunk to be done again, which schemas before 1.5 cannot say.
    """
    with CheckpointStore(path) as store:
        done = store.open_job("done.txt", chunks=["a"])
        if redoes:
            done.complete(0, {"chunk_index": 0, "cleaned_text": "a", "cost": 0.5})
        done.complete(0, {"chunk_index": 0, "cleaned_text": "A"}, replace=redoes)
        if redoes:
            done.redo(0)
            done.complete(0, {"chunk_index": 0, "cleaned_text": "A"})
        if carries:
            store.open_job("done.txt", chunks=["b", "a"], on_change="reuse")
        numbered = store.open_job("numbered.txt", total_chunks=3)
        numbered.complete(1, [1, 2.5, None, True, "x", 2**70])
        numbered.pause()
        numbered.fail("RuntimeError: it broke")
        if redoes:
            numbered.redo(1)
        with store.open_job(
            "lecture.srt",
            chunks=CHUNKS,
            video_title="Größe",
            model="m-1",
            provider="p-1",
            config={"chunk_size": 2000, "language": "en", "nested": {"a": [1, None]}},
        ) as job:
            for chunk in job.pending():
                if chunk.index == 2:
                    chunk.fail("ValueError: not this time", cost=0.125)
                elif chunk.index == 4:
                    break  # from here on it is in doubt
                else:
                    chunk.complete(clean(chunk.data))


def open_lecture(store: CheckpointStore) -> Job:
    """Open the half-done job of a dump again; its settings say the same in another order."""
    return store.open_job(
        "lecture.srt",
        chunks=CHUNKS,
        model="m-1",
        provider="p-1",
        config={"nested": {"a": [1, None]}, "language": "en", "chunk_size": 2000},
    )


def dump(path: Path) -> str:
    """Return a closed store as SQL, with what ``iterdump`` leaves out."""
    with closing(sqlite3.connect(path)) as raw:
        pragmas = [
            f"PRAGMA {name} = {raw.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("page_size", "journal_mode", "application_id")
        ]
        return "\n".join([*pragmas, *raw.iterdump()]) + "\n"


def load(dumped: str, path: Path) -> None:
    """Make the store of a dump."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript(dumped)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "talks.db", carries=True, redoes=True)
        target = DUMPS / f"{SCHEMA_VERSION.replace('.', '_')}.sql"
        target.write_text(dump(Path(folder) / "talks.db"), encoding="utf-8")
        print(target)
