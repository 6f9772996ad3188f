"""How many shown reasons are true of the ranking: each path taken away, the item scored again."""

from __future__ import annotations

from collections import Counter

import numpy as np

from api.engine import Engine
from api.engine.questions.fidelity import Fidelity, fidelity
from api.measures.users import Rows


def measure_reasons(engine: Engine, num_users: int, n: int, *, seed: int = 42) -> Rows:
    """The share of shown paths that lower the score when removed, by kind, for users drawn at random."""
    view = engine.now().view
    user_type = view.schema.user_type
    rows = np.random.default_rng(seed).permutation(view.num_nodes(user_type))[:num_users]
    found = fidelity(engine, [view.id_of(user_type, int(row)) for row in rows], n)
    return [*(_row(kind, found) for kind in sorted(found.shown)), _row("all", found)]


def _row(kind: str, found: Fidelity) -> dict[str, str | float | int | None]:
    def counted(counter: Counter[str]) -> int:
        return sum(counter.values()) if kind == "all" else counter[kind]

    shown = counted(found.shown)
    named = counted(found.named)
    told = sum(found.shown[name] for name in ("attribute", "relation") if kind in (name, "all"))
    return {
        "kind of path": kind,
        "shown": shown,
        "lower the score": round(counted(found.lowering) / max(shown, 1), 4),
        "by the named edges alone": round(named / told, 4) if told else "–",
    }
