"""Where the database keeps the nodes that a load has written, so that the ends of edges are found without an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence

KEPT_NODES = 2_000_000
"""Of more nodes than this the place is not kept, some 200 bytes each: their edges are written by key."""


class Elements:
    """The driver's names of nodes. The server gives the name of a deleted node to a new one, so they are good only
    while nobody else has committed anything: the bookmark is then that of this load's own last commit.

    What is deleted after :meth:`begin` is no danger: a name is not given again while a transaction is open that was
    there before, and a node that is not found is noticed by the number of edges written.
    """

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, str]] = {}
        self._fresh: dict[str, dict[str, str]] = {}
        self._bookmark: frozenset[str] | None = None
        self._count = 0

    def begin(self, bookmark: Callable[[], frozenset[str]]) -> None:
        """Nothing; called inside an open transaction, on each of its tries, before it asks for anything."""
        self._fresh = {}
        if self._kept and bookmark() != self._bookmark:
            self._kept, self._count = {}, 0

    def created(self, node_type: str, node_ids: Sequence[str], elements: Sequence[str]) -> None:
        """The transaction made these nodes."""
        self._fresh.setdefault(node_type, {}).update(zip(node_ids, elements, strict=True))

    def committed(self, bookmark: frozenset[str]) -> None:
        """The transaction was committed, and gave this bookmark. Never told where the answer was lost."""
        self._bookmark = bookmark
        for node_type, fresh in self._fresh.items():
            kept = self._kept.setdefault(node_type, {})
            if self._count < KEPT_NODES:
                kept.update(fresh)
                self._count += len(fresh)
            else:
                for node_id in fresh.keys() & kept.keys():  # made again after a delete: no longer where it was
                    del kept[node_id]
        self._fresh = {}

    def of(self, node_type: str, node_ids: Sequence[str]) -> list[str | None]:
        """The element of each node that this load made, now or in a transaction before; None for others."""
        fresh, kept = (place.get(node_type, {}) for place in (self._fresh, self._kept))
        if not fresh or not kept:
            return list(map((fresh or kept).get, node_ids))
        return list(map(fresh.get, node_ids, map(kept.get, node_ids)))
