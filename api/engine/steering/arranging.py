"""The list of a stage: ranked, then chosen for variety and within caps, with pins and promotions in their places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from api.engine.contributions import Contributions
from api.engine.filters.values import Mask
from api.engine.listed import Listed, nothing_listed
from api.engine.steering.choosing import Mix, Quota, choose
from api.engine.steering.grouping import Groups
from api.engine.steering.stage import Stage
from gnn.data.histories import FloatArray, IntArray
from graph.view import GraphView

POOL = 100
"""At least so many candidates are there to choose from, and four times the list's length."""
BY_RULE = "rules"
"""The source of an item that a pin puts into a list which would not rank it."""

Rank: TypeAlias = Callable[[Mask | None, int], Listed]
"""The best items of a mask (``None``: of all), so many of them."""


@dataclass(frozen=True)
class Arranging:
    """What a list is arranged from.

    ``rank`` ranks; ``likeness`` compares items in pairs; ``pinnable`` says what a pin may show (I,); ``history`` is the
    user's, for a calibrated mix.
    """

    view: GraphView
    stage: Stage
    rank: Rank
    likeness: Callable[[IntArray], FloatArray]
    pinnable: Callable[[], Mask]
    history: IntArray

    def of(self, n: int) -> Listed:
        """A list of up to ``n`` items."""
        stage = self.stage
        if not stage.chooses and not stage.places:
            return self._ranked(stage.allowed, n)
        pool = self._ranked(stage.allowed, _pool_size(n) if stage.chooses or stage.promotions else n)
        slots = self._placed(n, pool)
        placed = [listed.item_index[0] for listed in slots.values()]
        missing = n - len(slots)
        pool = pool.take(np.flatnonzero(~np.isin(pool.item_index, placed)).tolist())
        chosen = self._chosen(pool, missing, np.asarray(placed, np.int32)) if stage.chooses and missing else pool
        return _merged(chosen.take(list(range(min(missing, len(chosen))))), slots)

    def _ranked(self, mask: Mask | None, n: int) -> Listed:
        listed = self.rank(mask, n)
        return listed.evident() if self.stage.strict else listed

    def _chosen(self, pool: Listed, n: int, placed: IntArray) -> Listed:
        stage = self.stage
        quotas = [(Quota(cap.at_most), cap.groups) for cap in stage.caps]
        for quota, groups in quotas:
            quota.take(groups.of(placed).group)
        likeness = self.likeness(pool.item_index) if stage.diversity > 0 else None
        positions = choose(
            pool.score,
            n,
            diversity=stage.diversity,
            likeness=likeness,
            mix=self._mix(pool.item_index),
            caps=[(quota, groups.of(pool.item_index)) for quota, groups in quotas],
        )
        chosen = pool.take(positions)
        taken = np.concatenate([placed, pool.item_index])
        while stage.caps and len(chosen) < n:
            open_ = self._open(quotas, taken)
            rest = self._ranked(open_, _pool_size(n - len(chosen))) if open_.any() else nothing_listed()
            capped = [(quota, groups.of(rest.item_index)) for quota, groups in quotas]
            chosen = chosen.followed_by(rest.take(choose(rest.score, n - len(chosen), caps=capped)))
            taken = np.concatenate([taken, rest.item_index])
            if not len(rest):
                break
        return chosen

    def _open(self, quotas: list[tuple[Quota, Groups]], taken: IntArray) -> Mask:
        """What may still come: allowed, not looked at yet, and of no group that is full. Shape (I,)."""
        stage = self.stage
        open_ = np.ones(stage.num_items, bool) if stage.allowed is None else stage.allowed.copy()
        open_[taken] = False
        for quota, groups in quotas:
            open_ &= ~groups.members(quota.full)
        return open_

    def _mix(self, item_index: IntArray) -> Mix | None:
        calibration = self.stage.calibration
        if calibration is None:
            return None
        groups = Groups(self.view, calibration.by, "calibration.by")
        return Mix.of(groups.of(self.history), groups.of(item_index), calibration.strength)

    def _placed(self, n: int, pool: Listed) -> dict[int, Listed]:
        """What takes a place of its own, by rank from 1: pins, then promotions where pins leave room."""
        stage = self.stage
        slots: dict[int, Listed] = {}
        if stage.pins:
            pinnable = self.pinnable()
            for pin in stage.pins:
                if pin.rank <= n and pinnable[pin.item_index]:
                    ranked = pool.take(np.flatnonzero(pool.item_index == pin.item_index).tolist())
                    slots[pin.rank] = _named(ranked if len(ranked) else _by_rule(pin.item_index), pin.name)
        for promotion in stage.promotions:
            mask = promotion.fits.copy() if stage.allowed is None else promotion.fits & stage.allowed
            mask[[int(listed.item_index[0]) for listed in slots.values()]] = False
            best = pool.take(np.flatnonzero(mask[pool.item_index])[: promotion.at_most].tolist())
            if len(best) < promotion.at_most:
                best = self.rank(mask, promotion.at_most)
            free = _free(promotion.positions or tuple(range(1, promotion.at_most + 1)), slots, n)
            for at, rank in zip(range(len(best)), free, strict=False):
                slots[rank] = _named(best.take([at]), promotion.name)
        return slots


def _pool_size(n: int) -> int:
    return max(POOL, 4 * n)


def _free(positions: tuple[int, ...], slots: dict[int, Listed], n: int) -> list[int]:
    """A free rank for each position: itself, or the next that is free."""
    free: list[int] = []
    for position in sorted(positions):
        rank = position
        while rank in slots or rank in free:
            rank += 1
        if rank <= n:
            free.append(rank)
    return free


def _merged(chosen: Listed, slots: dict[int, Listed]) -> Listed:
    """The chosen items in order, with the placed ones at their ranks; at the end where the list is too short."""
    merged, at = nothing_listed(), 0
    for rank in range(1, len(chosen) + len(slots) + 1):
        if rank in slots:
            merged = merged.followed_by(slots[rank])
        elif at < len(chosen):
            merged = merged.followed_by(chosen.take([at]))
            at += 1
    for rank in sorted(rank for rank in slots if rank > len(chosen) + len(slots)):
        merged = merged.followed_by(slots[rank])
    return replace(merged, fallback=chosen.fallback, together=chosen.together | merged.together)


def _named(listed: Listed, name: str) -> Listed:
    return replace(listed, promotions={int(listed.item_index[0]): name})


def _by_rule(item_index: int) -> Listed:
    return Listed(np.array([item_index], np.int32), np.zeros(1, np.float32), Contributions.of([{BY_RULE: 1.0}]), None)
