"""Ask for a data frame where no library for it is installed; print the errors."""

from __future__ import annotations

import sys
from typing import Any

from checkpoint_store import CheckpointStore, MissingExtra

modules: dict[str, Any] = sys.modules
modules["pandas"] = modules["polars"] = None

with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.txt", chunks=["a"])
    for library in ("pandas", "polars"):
        try:
            job.to_dataframe(library)
        except MissingExtra as error:
            print(error)
