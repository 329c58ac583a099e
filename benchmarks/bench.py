"""The options of a run of the benchmarks: the folder, the size of the stores, and the number of rounds."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Bench:
    """The options of one run."""

    folder: Path
    quick: bool = False
    scale: float = 1.0
    _notices: list[str] = field(default_factory=list)

    def size(self, full: int, quick: int) -> int:
        """Return how large a store is made: scaled, and smaller in the quick form."""
        return max(10, int((quick if self.quick else full) * self.scale))

    def rounds(self, full: int, quick: int) -> int:
        """Return how many rounds are run."""
        return quick if self.quick else full

    @contextmanager
    def place(self, base: Path | None = None) -> Iterator[Path]:
        """A new folder, removed at the end."""
        folder = Path(mkdtemp(prefix="checkpoint-bench-", dir=base or self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def say(self, text: str) -> None:
        """Print a line of progress."""
        print(text, file=sys.stderr, flush=True)
