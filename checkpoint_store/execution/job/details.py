"""The reading part of a job that is about keys, tries and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.execution.job import frame_columns as frames
from checkpoint_store.execution.job.reading import JobReading
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.money import ChunkAccount, checked_cost, cost_in, is_field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from checkpoint_store.execution.job.reading import Missing
    from checkpoint_store.model.chunks import Key
    from checkpoint_store.model.money import Cost, JobCosts
    from checkpoint_store.model.records import AttemptRecord, CompletionRecord, RunnerRecord

T = TypeVar("T")


class JobDetails(JobReading):
    """The part of :class:`Job` that tells who, how often and for how much. Safe to share between threads."""

    # -- the keys of the chunks

    @overload
    def result_of(self, key: Key) -> Any: ...
    @overload
    def result_of(self, key: Key, as_type: type[T]) -> T: ...
    def result_of(self, key: Key, as_type: type[Any] | None = None) -> Any:
        """Return the result of the completed chunk with this key (a file name, a page). See :meth:`result`.

        Keys are compared by their text: ``result_of("7")`` is the result of page 7.

        Raises:
            KeyNotFound: no chunk of the job has the key.
        """
        return self.result(self.index_of(key), as_type)  # type: ignore[arg-type]

    def index_of(self, key: Key) -> int:
        """Return the index of the chunk with this key, whether it is complete or not.

        Raises:
            KeyNotFound: no chunk of the job has the key.
        """
        return self._execution.keys.index_of(key)

    def key_of(self, index: int) -> Key | None:
        """Return the caller's key of chunk ``index``, as it was given; None if the chunk has no key.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
        """
        return self._execution.keys.of(self._execution.recorded.checked_index(index))

    def keys(self) -> dict[int, Key]:
        """Return the keys of the chunks by index; empty if the job was opened without keys."""
        return self._context.reading.keys.all_of(self.job_id)

    # -- tries and runners

    def attempts(self) -> Iterator[AttemptRecord]:
        """Yield every try at every chunk, whatever its outcome, by chunk and then by number; in bounded memory.

        :meth:`errors`, :meth:`failed_chunks` and :meth:`in_doubt_chunks` know only the last try at an incomplete chunk.
        """
        yield from self._context.reading.chunks.attempts(self.job_id)

    def completions(self) -> Iterator[CompletionRecord]:
        """Yield when each completed chunk was recorded, and which job paid for it, by index; in bounded memory."""
        yield from self._context.reading.chunks.completions(self.job_id)

    def runners(self) -> list[RunnerRecord]:
        """Return the runners of this job that have not ended, as far as the store knows, by number. Reads only."""
        return self._context.reading.runners.of_job(self.job_id)

    # -- sums and frames

    def totals(
        self, *keys: str, missing: Literal["raise", "skip"] = "raise", carried: bool = True
    ) -> dict[str, int | float]:
        """Return the sum of each named field over all results, computed by the database.

        A text that is a number ("0.50", as pydantic dumps a Decimal) counts. A field that is absent from a result, or
        no number in it, adds nothing. What a job paid is :meth:`costs`: failed tries are in no result.

        Args:
            keys: fields of the results, or dotted paths (``"usage.total_tokens"``).
            missing: leave out (``"skip"``) a field that no result has; a misspelt field adds nothing.
            carried: add up the results that were carried over from other jobs, too, each once. False: only the results
                that this job paid for.

        Raises:
            InvalidArgumentError: the job has results, and no result has the field.
        """
        if missing not in ("raise", "skip"):
            raise InvalidArgumentError("missing", missing, 'is neither "raise" nor "skip"')
        for key in keys:
            if not is_field(key):
                raise InvalidArgumentError("keys", key, "is neither a field of the results, nor a dotted path")
        return self._context.reading.results.totals(
            self.job_id, keys, skip_missing=missing == "skip", with_carried=checked_flag("carried", carried)
        )

    def costs(self, cost: Cost = "cost") -> JobCosts:
        """Return what the job paid so far, as a budget counts it, and what other jobs paid for results it carries.

        The costs of failed tries, and of results that were replaced since, count, too. Two costs are unknown, and are
        left out: the cost of a try whose process died, and the cost of a result that does not tell it.

        Args:
            cost: the place of the cost in a result; see :meth:`map`.

        Raises:
            InvalidArgumentError: ``cost`` is neither the name of a field, nor a dotted path, nor a function.
            StoreDamaged: a result is missing, or is no JSON, and no copy has it.
        """
        return self._context.reading.results.job_costs(self.job_id, checked_cost(cost))

    def to_dataframe(
        self, library: frames.Library = "pandas", *, missing: Missing = "skip", cost: Cost = "cost"
    ) -> Any:
        """Return a frame with a row for each chunk that has a result, in index order.

        Its columns are ``index``, ``key`` (None where the chunks have none), a column for each field of the results
        (``result`` for results that are no objects), ``cost`` (the amount that this job paid for the chunk, failed
        tries included; None if it is unknown), ``seconds`` (of all tries at it) and ``attempts``. A field that has the
        name of one of these columns and another value is ``result.NAME``. Values are those of the results: if a
        column's values are not of one simple type, they stay Python objects.

        Args:
            library: ``"pandas"`` or ``"polars"`` (extras of the same names).
            missing: what to do about a chunk without a result: ``"skip"`` it, ``"none"`` for a row without fields, or
                ``"raise"``.
            cost: the place of the cost in a result; see :meth:`Job.map`.

        Raises:
            MissingExtra: the library is not installed. Nothing was read.
            JobIncomplete: chunks are left, and ``missing`` is ``"raise"``.
            StoreDamaged: a stored result is not what was written.
        """
        frames.imported(library)
        where = checked_cost(cost)
        rows = self.items() if missing == "skip" else enumerate(self.results(missing=missing))
        accounts = self._context.reading.chunks.accounts(self.job_id)
        return frames.made(library, _columns(list(rows), self.keys(), accounts, where))


def _columns(
    rows: Sequence[tuple[int, Any]], keys: Mapping[int, Key], accounts: Mapping[int, ChunkAccount], cost: Cost
) -> frames.Columns:
    """Return the columns of these chunks, pairs of index and result. See :meth:`JobDetails.to_dataframe`."""
    taken = [accounts.get(index, ChunkAccount()) for index, _ in rows]
    first: frames.Columns = {"index": [index for index, _ in rows], "key": [keys.get(index) for index, _ in rows]}
    last: frames.Columns = {
        "cost": [_paid(result, account, cost) for (_, result), account in zip(rows, taken, strict=True)],
        "seconds": [account.seconds for account in taken],
        "attempts": [account.attempts for account in taken],
    }
    ours = first | last
    fields = {
        name: values
        for name, values in frames.result_columns([result for _, result in rows]).items()
        if values != ours.get(name)
    }
    return first | frames.beside(fields, ours) | last


def _paid(result: Any, account: ChunkAccount, cost: Cost) -> float | None:
    """Return the amount that this job paid for a chunk; None if it is unknown."""
    of_result = cost_in(result, cost) if result is not None else None
    if account.is_carried and of_result is not None:
        of_result = 0.0  # another job paid for it
    known = [part for part in (of_result, account.failed_cost) if part is not None]
    return sum(known) if known else None
