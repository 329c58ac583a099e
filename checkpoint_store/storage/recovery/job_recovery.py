"""What a recovery brought back of a job, and what is lost of it."""

from __future__ import annotations

from dataclasses import dataclass

from checkpoint_store.errors import counted
from checkpoint_store.storage.records.open_requests import BY_PLACE


@dataclass(frozen=True, slots=True)
class JobRecovery:
    """The report of the recovery of one job."""

    job_id: str
    file_name: str
    recovered_chunks: int
    lost_chunks: int
    """Completed chunks without a sound result in any copy; they are pending again."""
    sources: tuple[tuple[str, int], ...]
    """Pairs of a copy's name and the number of chunks taken from it, the best copy first."""
    unverified_chunks: int = 0
    """Recovered chunks whose result comes from a state file, and whose digest is in no copy."""
    lost: str | None = None
    """What else of the job is lost, as a sentence; None if nothing is."""
    tries: str | None = None
    """What is missing of the attempts at the chunks that are left, as a sentence; None if nothing is."""
    assumed: str | None = None
    """What was assumed about the job because no copy says it, as a sentence; None if nothing was assumed."""
    lost_settings: tuple[str, ...] = ()
    """The settings of the plan that are lost: the next run has to say that its own may stand in their place.

    Also ``file_name``, without which no run finds the job.
    """
    facts: str | None = None
    """What may be missing of the keys, handles and redo marks of its chunks, as a sentence; None if nothing is."""

    @property
    def loses(self) -> bool:
        """Return whether something that a copy has was not recovered."""
        return self.lost_chunks > 0 or self.lost is not None

    def __str__(self) -> str:
        taken = ", ".join(f"{count} from {name}" for name, count in self.sources) or "none"
        lost = f"; {self.lost_chunks} could not be brought back" if self.lost_chunks else ""
        lost += f"; {self.lost}" if self.lost else ""
        if self.unverified_chunks:
            lost += f"; no digest of {self.unverified_chunks} of them survived: they are as the state file has them"
        lost += "".join(f"; {note}" for note in (self.tries, self.facts, self.assumed, self._remedy()) if note)
        return f"job {self.job_id} ({self.file_name}): {counted(self.recovered_chunks, 'chunk')} back ({taken}){lost}"

    def _remedy(self) -> str | None:
        """Return how the next run takes the results up, as a sentence; None where it needs to say nothing."""
        if not self.lost_settings or not self.recovered_chunks:
            return None
        if "file_name" in self.lost_settings:
            written = " and ".join((", ".join(self.lost_settings), "a new job_id"))
            return (
                "no run finds the results without the file_name, and a run would pay for them again; before it, call "
                f"store.job({self.job_id!r}).export(path), write {written} into the exported file, and call "
                "store.import_state(path)"
            )
        return (
            "a run that is refused because of that can take the results up, each by the place of its chunk: "
            f"on_change='reuse', reuse_ignoring={(*self.lost_settings, BY_PLACE)!r}"
        )
