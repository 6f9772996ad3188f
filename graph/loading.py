"""Many mutations into a store, the fastest way it has."""

from __future__ import annotations

from collections.abc import Iterable

from graph.records import Applied, Mutation
from graph.store import BulkLoad, FirstLoad, GraphStore


def load(store: GraphStore | FirstLoad, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied:
    """What changed, in one transaction a mutation or in the store's own blocks; repeat it after a crash."""
    if isinstance(store, BulkLoad):
        return store.bulk_load(mutations, batch_id=batch_id, actor=actor)
    changed = 0
    for mutation in mutations:
        changed += store.apply([mutation], batch_id=batch_id, actor=actor).changed
    return Applied(changed, store.watermark())
