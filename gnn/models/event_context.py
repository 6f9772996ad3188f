"""What the flagship reads of an event beside its item: how long ago it was, and of which kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gnn.data.histories import NO_TIME, Histories, LongArray
from gnn.operators.gaps import gap_buckets, num_gap_buckets


class Told(NamedTuple):
    """A block of events in the codes that attention reads; None for what is not read.

    Shapes: ``gaps`` (B, L, L), from each event to each; ``kinds`` (B, L).
    """

    gaps: LongArray | None
    kinds: LongArray | None


@dataclass(frozen=True)
class EventContext:
    """The times and kinds of all events of some histories, where they tell anything.

    ``num_gaps`` is 0 where times are not known, or mere order numbers; ``kinds`` is empty where there is one only.
    """

    timestamp_s: LongArray
    kind: LongArray
    num_gaps: int
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, histories: Histories, *, gaps: bool, kinds: bool) -> EventContext:
        """The context of histories; ``gaps`` and ``kinds`` say what may be read."""
        found = tuple(name for code, name in enumerate(histories.kinds) if (histories.kind == code).any())
        told = found if kinds and len(found) > 1 else ()
        num_gaps = num_gap_buckets(histories) if gaps else 0
        return cls(histories.timestamp_s, histories.kind_among(told), num_gaps, told)

    def of_block(self, at: LongArray, untold: float, rng: np.random.Generator) -> Told:
        """What is read of some events; of a random share ``untold`` of the rows nothing. Shape (B, L), positions."""
        if not (self.num_gaps or self.kinds):
            return Told(None, None)
        hidden = rng.random((len(at), 1)) < untold
        times = np.where(hidden, NO_TIME, self.timestamp_s[at])
        kinds = np.where(hidden, len(self.kinds), self.kind[at])
        gaps = gap_buckets(times, at.shape[1], self.num_gaps) if self.num_gaps else None
        return Told(gaps, kinds if self.kinds else None)
