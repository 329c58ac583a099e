"""What a job remembers of the command line of its last run, and of the files that the run was given after its file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.early import own_words
from checkpoint_store.cli.paths import (
    STANDARD,
    as_argument,
    composed,
    current_folder,
    job_name,
    on_one_line,
    printable,
    shell_words,
    typed_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from checkpoint_store import CheckpointStore, Job

MEMORY: Final = "command_line"
"""The key of a job's metadata that holds the command line of its last run."""
_REMEMBERED_MAX: Final = 20
"""A job of a run of a thousand files remembers no thousand names, nor does each of the others."""
_KEY: Final = "later"
_COUNT_KEY: Final = "later_count"
_FILE_OPTIONS: Final = frozenset({"--output", "--joblog"})
"""The options that name a file to write: a run in a copy of a folder writes nothing in the folder that was copied."""


def memory_of(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a job remembers of its last run; None if ``run`` did not write it, but the user, or nobody."""
    value = metadata.get(MEMORY)
    is_memory = (
        isinstance(value, dict)
        and isinstance(value.get("folder"), str)
        and isinstance(value.get("only", ""), str)
        and isinstance(value.get("words"), list)
        and bool(value["words"])
        and all(isinstance(word, str) for word in value["words"])
    )
    return value if is_memory else None


@dataclass(frozen=True, slots=True)
class LaterFiles:
    """The files of a run that come after the file of a job."""

    paths: tuple[str, ...] = ()
    """The paths of the first of these files, absolute."""
    count: int = 0

    @classmethod
    def of(cls, paths: Sequence[Path]) -> LaterFiles:
        """Return these files as a job remembers them, without standard input, which cannot be read again."""
        names = [str(path.absolute()) for path in paths if path != STANDARD]
        remembered = tuple(name for name in names[:_REMEMBERED_MAX] if printable(name) == name)
        return cls(remembered, len(names))

    @classmethod
    def remembered(cls, memory: Mapping[str, Any]) -> LaterFiles:
        """Return the later files that a job remembers."""
        paths, count = memory.get(_KEY, []), memory.get(_COUNT_KEY, 0)
        is_whole = isinstance(paths, list) and all(isinstance(path, str) for path in paths) and isinstance(count, int)
        return cls(tuple(paths), count) if is_whole else cls()

    def as_memory(self) -> dict[str, Any]:
        """Return the metadata by which a job remembers these files; empty without files."""
        return {_KEY: list(self.paths), _COUNT_KEY: self.count} if self.count else {}


NO_LATER_FILES: Final = LaterFiles()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What ``resume`` hands the run that it calls, under :data:`RESUMED` in the meta of click's context."""

    line: str
    """The line of ``resume``, which goes on when it is typed again."""
    folder: str | None
    """The folder that ``resume`` changed to; None where it was typed in that folder."""
    later: LaterFiles
    """The files that the job goes on remembering."""
    not_begun: tuple[str, ...]
    """The names of the files that the last run did not begin."""
    frees_failed: bool
    """Whether to free the chunks that used up their tries."""


RESUMED: Final = "checkpoint_store.resumed"


@dataclass(frozen=True, slots=True)
class NotBegun:
    """The files that the run did not begin, and that are not complete."""

    paths: tuple[str, ...]
    more: int
    """How many files behind these nobody remembers by name."""
    line: str
    """The line that begins them."""

    @property
    def note(self) -> str:
        """The notice about these files; empty without files."""
        if not self.paths:
            return ""
        names = ", ".join(on_one_line(Path(path).name) for path in self.paths)
        others = f" and {self.more:,} more, which the line of that run begins" if self.more else ""
        was, them = ("was", "it") if len(self.paths) == 1 else ("were", "them")
        return f"{names} of the same run {was} not begun; begin {them} with:  {self.line}{others}"


def as_moved(memory: Mapping[str, Any], job: Job, store: CheckpointStore) -> dict[str, Any] | None:
    """Return the memory of a job with its paths where they are now, if the store's folder was moved or copied.

    The name of a job is the path of its file in the folder of the store. A store that was moved alone has no file of
    that name beside it: the path returned leads to no file, and never to another job. None where it cannot be known.
    """
    path, name = Path(memory["words"][0]), Path(composed(job.file_name))
    if composed(job_name(path, store.path)) == str(name):
        return dict(memory)
    ending = path.parts[-len(name.parts) :]
    if name.is_absolute() or tuple(map(composed, ending)) != name.parts:
        return None
    before, now = path.parents[len(name.parts) - 1], Path(os.path.realpath(store.path.parent))

    def moved(text: str) -> str:
        return str(now / Path(text).relative_to(before)) if Path(text).is_relative_to(before) else text

    paths = {_KEY: list(map(moved, LaterFiles.remembered(memory).paths))} if _KEY in memory else {}
    words = [str(now.joinpath(*ending)), *_with_moved_files(memory["words"][1:], moved)]
    return dict(memory) | {"words": words, "folder": moved(memory["folder"])} | paths


def _with_moved_files(words: Sequence[str], moved: Callable[[str], str]) -> list[str]:
    """Return the options and COMMAND of a line; the files that the options name are where they are now.

    COMMAND is a part of the plan, and stays as it is.
    """
    options = own_words(words)
    pairs = zip(["", *options], options, strict=False)
    return [*(moved(word) if before in _FILE_OPTIONS else word for before, word in pairs), *words[len(options) :]]


def as_seen_from(folder: Path, file_name: str) -> str:
    """Return how a file is typed in a folder: by its whole path where it does not lie in it."""
    path = Path(file_name)
    return as_argument(path.relative_to(folder) if path.is_relative_to(folder) else path)


def not_begun(store: CheckpointStore, job_id: str, memory: Mapping[str, Any], store_path: str) -> NotBegun:
    """Return which files of the last run of a job that run did not begin, without those that are complete.

    ``store_path`` is the store as it was named in the folder where the line is to be typed.
    """
    later, folder = LaterFiles.remembered(memory), Path(memory["folder"])
    every = store.summaries() if later.paths else []
    position_of = {summary.job_id: position for position, summary in enumerate(every)}  # the job opened last is first

    def is_left(path: str) -> bool:
        newest = next(iter(store.summaries(file_name=job_name(Path(path), store.path))), None)
        return newest is None or (
            newest.progress.remaining_chunks > 0 and position_of.get(newest.job_id, -1) > position_of.get(job_id, -1)
        )

    paths = tuple(filter(is_left, later.paths))
    files = [as_seen_from(folder, path) for path in paths]
    is_here = folder.samefile(current_folder())
    options = shell_words([str(word) for word in memory["words"][1:]])
    line = typed_line(["run", *files], store_path if is_here else store.path.absolute(), options).rstrip()
    more = later.count - len(later.paths)
    return NotBegun(paths, more, line if is_here else f"cd {shell_words([str(folder)])} && {line}")
