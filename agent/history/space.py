"""The SQL of what a history takes and gives back: how old it is, how large, and what of it goes. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from agent.history.store import MINUTE_NS, Store, block_id

_SHRINK_PAGES = 256  # a MiB at a time: what is given back moves pages, and nothing else is written meanwhile
_DATED = (("measurements", "at_ns"), ("gaps", "until_ns"), ("runs", "seen_at_ns"))


class Space:
    """An open history by its size and age. Every method runs in the transaction that is open, or in one of its own."""

    def __init__(self, store: Store) -> None:
        self._execute = store.execute

    def oldest_minute(self) -> int | None:
        """Return the first minute that samples are there of, ``None`` where there are none."""
        (in_parts,) = self._execute("SELECT min(minute) FROM parts").fetchone()
        return min((minute for minute in (in_parts, self.oldest_block()) if minute is not None), default=None)

    def oldest_block(self) -> int | None:
        """Return the first minute that is summed up, ``None`` where none is."""
        return min((minute for minute in map(self._oldest_of, self._streams()) if minute is not None), default=None)

    def forget_before(self, minute: int, *, at_most: int) -> int:
        """Delete what is older than a minute, so many blocks at most; return how many those were.

        Where a stream was sent last is known for as long as it is.
        """
        deleted = 0
        for stream in self._streams():
            span = (block_id(stream, 0), block_id(stream, minute))
            for table in ("blocks", "minutes"):
                sql = f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id >= ? AND id < ? LIMIT ?)"  # noqa: S608  # one of two names
                deleted += self._execute(sql, (*span, max(at_most - deleted, 0))).rowcount
        before_ns = minute * MINUTE_NS
        for table, column in _DATED:
            self._execute(f"DELETE FROM {table} WHERE {column} < ?", (before_ns,))  # noqa: S608  # as above
        self._execute(
            "DELETE FROM addresses WHERE since_ns < ? AND EXISTS"
            " (SELECT 1 FROM addresses AS later WHERE later.stream = addresses.stream AND later.id > addresses.id)",
            (before_ns,),
        )
        return deleted

    def used_octets(self) -> int:
        """Return what the file holds, without the pages that are free in it."""
        return (self._pragma("page_count") - self.free_pages()) * self._pragma("page_size")

    def free_pages(self) -> int:
        """Return how many pages of the file hold nothing."""
        return self._pragma("freelist_count")

    def shrink(self) -> None:
        """Give free pages back, some at a time; outside of a transaction."""
        self._execute(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})").fetchall()

    def _pragma(self, name: str) -> int:
        return int(self._execute(f"PRAGMA {name}").fetchone()[0])

    def _streams(self) -> Iterator[int]:
        return (number for (number,) in self._execute("SELECT id FROM streams").fetchall())

    def _oldest_of(self, stream: int) -> int | None:
        sql = "SELECT min(id) FROM blocks WHERE id >= ? AND id < ?"
        (found,) = self._execute(sql, (block_id(stream, 0), block_id(stream + 1, 0))).fetchone()
        return None if found is None else found & 0xFFFFFFFF
