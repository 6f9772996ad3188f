"""How well something ranks, how sure that is, and whether it may go live."""

from __future__ import annotations

from gnn.evaluation.full_ranking import Evaluation, asked_users, evaluate, evaluate_lists, ranked_lists

__all__ = [
    "Evaluation",
    "asked_users",
    "evaluate",
    "evaluate_lists",
    "ranked_lists",
]
