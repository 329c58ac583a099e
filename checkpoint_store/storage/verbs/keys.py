"""The reading verbs about the keys of a job's chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.model.keys import key_from, spellings
from checkpoint_store.storage.statements import keys
from checkpoint_store.storage.statements.rows import KEY, read_row
from checkpoint_store.storage.verbs.base import ReadingVerbs

if TYPE_CHECKING:
    from checkpoint_store.model.keys import Key


class KeyVerbs(ReadingVerbs):
    """The reading verbs about keys. Safe to share between threads."""

    def has_any(self, job_id: str) -> bool:
        """Return whether any chunk of a job has a key."""
        return self._database.read_row(keys.HAS_KEYS.text, keys.HAS_KEYS.values(in_job=job_id)) is not None

    def at(self, job_id: str, index: int) -> Key | None:
        """Return the key of a chunk; None if the chunk has no key."""
        (stored,) = self._database.read_row(keys.KEY_AT.text, (job_id, index)) or (None,)
        return None if stored is None else self._key(job_id, index, stored)

    def index_of(self, job_id: str, key: Key) -> int | None:
        """Return the chunk that has a key; None if no chunk has it."""
        wanted = {f"key_{number}": spelling for number, spelling in enumerate(spellings(key))}
        statement = keys.index_of(len(wanted))
        (index,) = self._database.read_row(statement.text, statement.values(in_job=job_id, **wanted)) or (None,)
        return None if index is None else int(index)

    def all_of(self, job_id: str) -> dict[int, Key]:
        """Return the key of each chunk that has one, by index."""
        stored_keys = self._database.read(lambda connection: keys.all_of(connection, job_id))
        return {index: self._key(job_id, index, stored) for index, stored in stored_keys}

    def _key(self, job_id: str, index: int, stored: object) -> Key:
        row = read_row("chunk_keys", KEY, {"chunk_index": index, "key": stored}, self.path, job_id)
        return key_from(row["key"])
