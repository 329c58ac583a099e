"""A notice if a file has no job in the store of a run, and another store, in a folder of the file, has results of it.

The usual store lies in the working folder: ``run ../talk.txt`` in a subfolder would pay for each chunk again.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.cli.paths import STANDARD, job_name, path_text, printable, shell_words
from checkpoint_store.cli.screen import Screen, chunk_count

if TYPE_CHECKING:
    from collections.abc import Iterable


def say_which_store_has(files: Iterable[Path], store: CheckpointStore) -> None:
    """Print the notice, before anything is paid for, at the first of the files for which another store has results."""
    by_store: dict[Path, list[Path]] = {}
    for file in files:
        if file != STANDARD and not store.jobs(file_name=job_name(file, store.path)):
            for other in _stores_above(file, store.path):
                by_store.setdefault(other, []).append(file)
    for other, new in by_store.items():
        if (known := _first_with_results(other, new)) is not None:
            file, count = known
            option = shell_words(["--store", os.path.relpath(other)])
            has = f"the store {printable(other)} has results for {chunk_count(count)} of this file"
            Screen().note(f"{path_text(file)}: {has}; to go on there, stop this run and add {option}")
            return


def _stores_above(file: Path, but: Path) -> list[Path]:
    """Return the stores with the name of this store in the folder of a file, and in the folders above it."""
    folder = Path(os.path.realpath(file.parent))
    places = [place / but.name for place in (folder, *folder.parents)]
    return [place for place in places if place != Path(os.path.realpath(but)) and place.is_file()]


def _first_with_results(path: Path, files: Iterable[Path]) -> tuple[Path, int] | None:
    """Return the first of the files of which a store has results, and for how many chunks; None if it has none."""
    try:
        with warnings.catch_warnings(), CheckpointStore(path, state_file=None, read_only=True) as store:
            warnings.simplefilter("ignore")  # they are for those who work with that store
            for file in files:
                jobs = store.jobs(file_name=job_name(file, path))
                if count := max((job.progress().completed_chunks for job in jobs), default=0):
                    return file, count
    except CheckpointStoreError:  # it is another user's, or damaged: this run does not need it
        return None
    return None
