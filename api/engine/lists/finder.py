"""What an engine finds by text: items for a query, names for the beginning of one."""

from __future__ import annotations

from copy import copy

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.contributions import Contributions
from api.engine.finding.live import LiveItems, LiveState
from api.engine.finding.part import SearchPart
from api.engine.finding.search import Found, ItemSearch, Taste
from api.engine.finding.suggestions import Suggestion
from api.engine.listed import Listed
from api.engine.reading import NOBODY, profile_of
from api.engine.sources.keeper import Moment
from api.engine.watching import stage
from gnn.data.histories import FloatArray, Histories, IntArray


class Finder:
    """Search and autocomplete over one release and what came since. Safe to use from several threads."""

    def __init__(self, part: SearchPart, live: LiveItems) -> None:
        self._part = part
        self._live = live
        self._search = ItemSearch(part)

    def over(self, live: LiveItems) -> Finder:
        """This finder with other items since the snapshot; what the release holds is shared."""
        other = copy(self)
        other._live = live
        return other

    def warm_up(self) -> None:
        """Build or load what is otherwise made at the first query."""
        _ = self._part.items, self._part.suggestions
        self._part.encoder()

    @stage("search")
    def listed(
        self,
        moment: Moment,
        query: str,
        n: int,
        *,
        user_index: int | None = None,
        allowed: npt.NDArray[np.bool_] | None = None,
        bias: FloatArray | None = None,
    ) -> Listed:
        """The items for a query, in the order that suits a user and the rules in force.

        Shapes: ``allowed`` and ``bias`` (I,), the logarithm of what an item's score is multiplied with.
        """
        sources = moment.sources
        permitted = sources.allowed if allowed is None else sources.allowed & allowed
        taste = None if user_index is None else _taste_of(moment, user_index)
        state = self._state(moment)
        found = self._search.search(query, n, state, permitted, sources.popularity, taste, bias)
        return Listed(found.item_index, found.score, _contributions(found), None)

    def suggest(self, moment: Moment, text: str, n: int) -> list[Suggestion]:
        """Names that begin like ``text``."""
        return self._part.suggestions.best(moment.view, self._state(moment), text, n)

    def _state(self, moment: Moment) -> LiveState:
        return self._live.refresh(moment.view)


def _taste_of(moment: Moment, user_index: int) -> Taste | None:
    """How the fused ranking orders some items for a user; ``None`` for one without a history."""
    profile = profile_of(moment.view, user_index)
    if profile is NOBODY or not len(profile.history):
        return None
    sources = moment.sources
    history = profile.history.where(sources.allowed[profile.history.item_index])
    histories = Histories.over([history], sources.num_items, [user_index])

    def taste(item_index: IntArray) -> FloatArray:
        asked = np.zeros(sources.num_items, bool)
        asked[item_index] = True
        nothing = sp.csr_array(np.zeros((1, sources.num_items), np.float32))
        fused = sources.ranker.fuse(histories, k=item_index.size, exclude=nothing, allowed=asked)
        rows = fused.item_index[0][fused.item_index[0] >= 0]
        place = np.full(sources.num_items, item_index.size, np.int64)
        place[rows] = np.arange(rows.size)
        return (1.0 - place[item_index] / max(item_index.size, 1)).astype(np.float32)

    return taste


def _contributions(found: Found) -> Contributions:
    """Of each item found the sources that speak for it."""
    parts = np.array(list(found.parts.values()), np.float32).reshape(len(found.parts), found.item_index.size)
    return Contributions.positive(tuple(found.parts), parts.T)
