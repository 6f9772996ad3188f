"""How interactions are cut into what is learned from, chosen on and measured on, by protocol."""

from __future__ import annotations

from gnn.splits.split import (
    DROPPED,
    TEST,
    TRAIN,
    UNASKED,
    VALIDATION,
    Split,
    cold_items,
    fixed_files,
    leave_one_out,
    next_basket,
    random_per_user,
    temporal_global,
)

__all__ = [
    "DROPPED",
    "TEST",
    "TRAIN",
    "UNASKED",
    "VALIDATION",
    "Split",
    "cold_items",
    "fixed_files",
    "leave_one_out",
    "next_basket",
    "random_per_user",
    "temporal_global",
]
