"""Ways to part interactions into what is learned from, what is selected on, and what is tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data import NO_TIME, Interactions, ItemKnowledge, TrainingData
from gnn.splits.blocks import likeness_to_one
from graph.errors import InputError

TRAIN, VALIDATION, UNASKED, TEST, DROPPED = 0, 1, 2, 3, 4
"""The parts. UNASKED lies in the validation slice but is no question there (an item its user had before, a user
without history): the final model learns from it."""


@dataclass(frozen=True, eq=False)
class Split:
    """Interactions with the part each belongs to.

    Shape: ``part`` (N,), for each of ``interactions`` one of TRAIN, VALIDATION, UNASKED, TEST or DROPPED.
    ``protocol`` says how the parts were cut, for tables and run records. In temporal splits ``train_until`` and
    ``refit_until`` are the exclusive time cuts of ``train`` and ``refit``; nothing learned from may be younger.
    """

    name: str
    interactions: Interactions
    part: npt.NDArray[np.uint8]
    seed: int | None = None
    protocol: Mapping[str, object] = field(default_factory=dict)
    train_until: int | None = None
    refit_until: int | None = None

    @cached_property
    def train(self) -> Interactions:
        return self.interactions.where(self.part == TRAIN)

    @cached_property
    def validation(self) -> Interactions:
        return self.interactions.where(self.part == VALIDATION)

    @cached_property
    def test(self) -> Interactions:
        return self.interactions.where(self.part == TEST)

    @cached_property
    def refit(self) -> Interactions:
        """Training and validation interactions together: what the final model of a test may learn from."""
        return self.interactions.where(self.part <= UNASKED)

    @property
    def is_random(self) -> bool:
        """Whether the validation part is a random share of each user's items."""
        return "validation_share" in self.protocol

    @property
    def is_temporal(self) -> bool:
        """Whether all users are cut at the same moments."""
        return self.train_until is not None and self.refit_until is not None

    def redrawn(self, number: int) -> Split:
        """Another validation part; each number is another one.

        Of a random share it is a new draw, with the same test. Of a temporal split it is the ``number``-th window of as
        many interactions before the validation part; what comes after that window is in no part that is learned from or
        asked. Rolling origins: Tashman, "Out-of-sample tests of forecasting accuracy", 2000.

        Raises:
            InputError: when the validation part is neither.
        """
        if self.is_temporal:
            return self._earlier(number)
        share = self.protocol.get("validation_share")
        if not isinstance(share, float):
            raise InputError("only a random validation part or one in time can be drawn again", got=self.name)
        part = np.where(self.part == VALIDATION, TRAIN, self.part).astype(np.uint8)
        rng = np.random.default_rng((self.seed or 0, number))
        _hold_out(self.interactions, part, share, VALIDATION, rng, blocks=self.protocol.get("validation") == "blocks")
        return replace(self, part=part)

    def _earlier(self, number: int) -> Split:
        times = self.interactions.timestamp_s
        assert self.train_until is not None
        assert self.refit_until is not None
        before = np.sort(times[times < self.train_until])
        width = int(((times >= self.train_until) & (times < self.refit_until)).sum())
        ends = [before.size - width * back for back in (number, number - 1)]
        start, end = (int(before[max(at, 0)]) if at < before.size else self.train_until for at in ends)
        part = np.full(times.size, TRAIN, np.uint8)
        part[times >= start] = VALIDATION
        part[times >= end] = DROPPED
        if self.protocol["new_items_only"]:
            _drop_known(self.interactions, part)
        if self.protocol["known_users_only"]:
            _drop_newcomers(self.interactions, part)
        return replace(self, part=part, train_until=start, refit_until=end)

    def training_data(self, knowledge: ItemKnowledge | None = None, *, seed: int = 42) -> TrainingData:
        """What a model may look at while it is selected: train, judged on validation."""
        return TrainingData(self.train, knowledge or ItemKnowledge(), self.validation, seed)

    def refit_data(self, knowledge: ItemKnowledge | None = None, *, seed: int = 42) -> TrainingData:
        """What the final model may look at before it is tested."""
        return TrainingData(self.refit, knowledge or ItemKnowledge(), None, seed)


def temporal_global(
    interactions: Interactions,
    *,
    test_from: int | None = None,
    validation_from: int | None = None,
    test_share: float = 0.1,
    validation_share: float = 0.1,
    new_items_only: bool = True,
    known_users_only: bool = True,
) -> Split:
    """Cuts all users at the same two moments: train before, validation between, test after.

    Times are in seconds. A missing cut is set so that the given share of all interactions lies behind it (and for
    validation: between the cuts, in proportion when ``test_from`` is given). With ``new_items_only`` an item counts
    in validation or test only when the user had not chosen it before that part begins; with ``known_users_only`` a user
    is asked about only with a history before that part, because to newcomers every ranking is a popularity list.

    Raises:
        InputError: when interactions have no time, or the cuts leave nothing to learn from or nothing to test on.
    """
    times = interactions.timestamp_s
    if times.size == 0 or (times == NO_TIME).any():
        raise InputError(
            "a temporal split needs the time of every interaction",
            got=f"{int((times == NO_TIME).sum())} of {times.size} without one",
            remedy="Use leave_one_out or random_per_user.",
        )
    test_cut = _cut_at(times, 1 - test_share) if test_from is None else test_from
    before = times[times < test_cut]
    if before.size == 0:
        raise _empty_part(times, test_cut, test_cut)
    validation_cut = (
        _cut_at(before, 1 - validation_share / (1 - test_share)) if validation_from is None else validation_from
    )
    part = np.full(times.size, TRAIN, np.uint8)
    part[times >= validation_cut] = VALIDATION
    part[times >= test_cut] = TEST
    if new_items_only:
        _drop_known(interactions, part)
    if known_users_only:
        _drop_newcomers(interactions, part)
    if validation_cut > test_cut or not (part == TRAIN).any() or not (part == TEST).any():
        raise _empty_part(times, validation_cut, test_cut)
    protocol = {
        "validation_from": int(validation_cut),
        "test_from": int(test_cut),
        "new_items_only": new_items_only,
        "known_users_only": known_users_only,
    }
    return Split("temporal", interactions, part, None, protocol, int(validation_cut), int(test_cut))


def leave_one_out(interactions: Interactions) -> Split:
    """Each user's last interaction is the test, the one before it the validation, the rest is learned from.

    A user with fewer than three interactions is only learned from. A held-out item that the user had already
    chosen before is dropped, because seen items are never recommended.
    """
    back = interactions.histories().steps_back
    length = np.bincount(interactions.user_index, minlength=interactions.num_users)[interactions.user_index]
    part = np.full(len(interactions), TRAIN, np.uint8)
    part[(back == 1) & (length >= 3)] = VALIDATION
    part[(back == 0) & (length >= 3)] = TEST
    _drop_known(interactions, part)
    return Split("leave-one-out", interactions, part, None, {"test": "last", "validation": "second to last"})


def next_basket(
    interactions: Interactions, holdout: Interactions | None = None, *, new_items_only: bool = False
) -> Split:
    """Each user's last basket is the test, the one before it the validation, the rest is learned from.

    Where the data set holds out each user's next basket itself, that one is the test. A user with fewer baskets than
    leave one to learn from is only learned from.

    Raises:
        InputError: when an interaction has no basket.
    """
    if (interactions.basket < 0).any():
        raise InputError(
            "a next-basket split needs the basket of every interaction",
            got=f"{int((interactions.basket < 0).sum())} of {len(interactions)} without one",
            remedy="Map the invoice or session to the interaction's qualifier.",
        )
    # A basket stands where its first interaction stands; users are contiguous, so the order is theirs.
    keys = interactions.user_index.astype(np.int64) * (int(interactions.basket.max(initial=0)) + 1)
    _, first, inverse = np.unique(keys + interactions.basket, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    position = np.empty(order.size, np.int64)
    position[order] = np.arange(order.size)
    basket_user = interactions.user_index[first[order]]
    count = np.bincount(basket_user, minlength=interactions.num_users)
    back = np.cumsum(count)[interactions.user_index] - 1 - position[inverse]
    held_out = holdout is not None and len(holdout) > 0
    enough = count[interactions.user_index] >= (2 if held_out else 3)
    part = np.full(len(interactions), TRAIN, np.uint8)
    part[(back == (0 if held_out else 1)) & enough] = VALIDATION
    if not held_out:
        part[(back == 0) & enough] = TEST
    whole = interactions
    if holdout is not None and held_out:
        whole, is_holdout = _merged(interactions, holdout)
        known, part = part, np.full(len(whole), TEST, np.uint8)
        part[~is_holdout] = known
        _drop_newcomers(whole, part)
    if new_items_only:
        _drop_known(whole, part)
    told = {"test": "the data's own next basket" if held_out else "last basket", "new_items_only": new_items_only}
    return Split("next-basket", whole, part, None, told)


def cold_items(interactions: Interactions, *, share: float = 0.1, seed: int = 42) -> Split:
    """Leave-one-out in which a random ``share`` of the items is unknown until it is asked for in the test.

    Nothing is learned from these items, so whoever ranks them has only their text, attributes and relations. Another
    such share is unknown until validation, so that what to make of unknown items can be learned there. The rest of the
    test, about items that are known, says what the same ranking does otherwise.
    """
    if not 0 < share < 0.5:
        raise InputError("the share of cold items must leave something to learn from", expected="0 < share < 0.5")
    split = leave_one_out(interactions)
    part = split.part
    order = np.random.default_rng(seed).permutation(np.unique(interactions.item_index))
    count = max(1, round(share * order.size))
    in_test, in_validation = order[:count], order[count : 2 * count]
    until_test = np.isin(interactions.item_index, in_test)
    part[until_test & (part != TEST)] = DROPPED
    part[np.isin(interactions.item_index, in_validation) & (part == TRAIN)] = UNASKED
    _drop_newcomers(interactions, part)
    return Split("cold items", interactions, part, seed, {**split.protocol, "cold_share": share})


def random_per_user(
    interactions: Interactions,
    *,
    test_share: float = 0.2,
    validation_share: float = 0.1,
    seed: int = 42,
) -> Split:
    """A random share of each user's items is the test, a share of the rest the validation.

    Repeated interactions of a user with an item stay together. The test does not depend on ``validation_share``.
    A user always keeps something to learn from.
    """
    rng = np.random.default_rng(seed)
    part = np.full(len(interactions), TRAIN, np.uint8)
    _hold_out(interactions, part, test_share, TEST, rng)
    _hold_out(interactions, part, validation_share, VALIDATION, rng)
    protocol = {"test_share": test_share, "validation_share": validation_share}
    return Split("random per user", interactions, part, seed, protocol)


def fixed_files(
    train: Interactions,
    holdout: Interactions,
    *,
    validation: Literal["random", "blocks", "last"] = "random",
    validation_share: float = 0.1,
    seed: int = 42,
) -> Split:
    """A data set's own test file is the test; validation is carved from its training file.

    ``random`` takes ``validation_share`` of each user's items, ``last`` each user's last interaction. ``blocks`` takes
    the share at random from half of the users, and from the others items that belong together: nobody knows how the
    test was drawn.
    """
    merged, is_holdout = _merged(train, holdout)
    part = np.where(is_holdout, TEST, TRAIN).astype(np.uint8)
    protocol: dict[str, object] = {"validation": validation}
    if validation != "last":
        rng, blocks = np.random.default_rng(seed), validation == "blocks"
        _hold_out(merged, part, validation_share, VALIDATION, rng, blocks=blocks)
        protocol["validation_share"] = validation_share
        return Split("fixed files", merged, part, seed, protocol)
    learned = np.flatnonzero(part == TRAIN)
    users = merged.user_index[learned]
    count = np.bincount(users, minlength=merged.num_users)
    is_last = np.append(users[1:] != users[:-1], True) if users.size else np.zeros(0, np.bool_)
    part[learned[is_last & (count[users] >= 2)]] = VALIDATION
    return Split("fixed files", merged, part, None, protocol)


def _empty_part(times: npt.NDArray[np.int64], validation_cut: int, test_cut: int) -> InputError:
    return InputError(
        "the time cuts leave a part empty",
        expected=f"moments in order between {times.min()} and {times.max()}",
        got=f"validation from {validation_cut}, test from {test_cut}",
    )


def _cut_at(times: npt.NDArray[np.int64], share: float) -> int:
    if not 0 < share < 1:
        raise InputError("the shares of a split must leave something to learn from", expected="a sum below 1")
    return int(np.quantile(times, share, method="higher"))


def _hold_out(
    interactions: Interactions,
    part: npt.NDArray[np.uint8],
    share: float,
    into: int,
    rng: np.random.Generator,
    *,
    blocks: bool = False,
) -> None:
    """Moves a rounded share of each user's distinct training items to another part, never all of them.

    They are drawn at random; with ``blocks`` those of about half of the users are alike, see :mod:`gnn.splits.blocks`.
    """
    if not 0 <= share < 1:
        raise InputError("a held-out share must lie between 0 and 1", got=share)
    learned = np.flatnonzero(part == TRAIN)
    pair = interactions.user_index[learned].astype(np.int64) * interactions.num_items
    pairs, inverse = np.unique(pair + interactions.item_index[learned], return_inverse=True)
    user = pairs // interactions.num_items
    count = np.bincount(user, minlength=interactions.num_users)
    begin = np.cumsum(count) - count
    late = rng.random(pairs.size)
    if blocks and pairs.size:
        indptr, items = np.append(begin, pairs.size), (pairs % interactions.num_items).astype(np.int32)
        shape = (interactions.num_users, interactions.num_items)
        matrix = sp.csr_array((np.ones(pairs.size, np.float32), items, indptr), shape=shape)
        together = rng.random(interactions.num_users) < 0.5
        late = np.where(together[user], -likeness_to_one(matrix, rng), late)
    order = np.lexsort((late, user))
    rank = np.empty(pairs.size, np.int64)
    rank[order] = np.arange(pairs.size) - begin[user[order]]
    quota = np.minimum(np.rint(share * count), np.maximum(count - 1, 0)).astype(np.int64)
    part[learned[(rank < quota[user])[inverse]]] = into


def _drop_known(interactions: Interactions, part: npt.NDArray[np.uint8]) -> None:
    """Takes out of validation and test what the user had chosen in an earlier part."""
    pair = interactions.user_index.astype(np.int64) * interactions.num_items + interactions.item_index
    known_test = (part == TEST) & np.isin(pair, pair[part <= VALIDATION])
    known_validation = (part == VALIDATION) & np.isin(pair, pair[part == TRAIN])
    part[known_test] = DROPPED
    part[known_validation] = UNASKED


def _drop_newcomers(interactions: Interactions, part: npt.NDArray[np.uint8]) -> None:
    """Asks nothing about users without a history before validation or test begins."""
    user, num_users = interactions.user_index, interactions.num_users
    in_train = np.bincount(user[part == TRAIN], minlength=num_users) > 0
    part[(part == VALIDATION) & ~in_train[user]] = UNASKED
    in_refit = np.bincount(user[part <= UNASKED], minlength=num_users) > 0
    part[(part == TEST) & ~in_refit[user]] = DROPPED


def _merged(train: Interactions, holdout: Interactions) -> tuple[Interactions, npt.NDArray[np.bool_]]:
    """Both sets as one, each user's holdout after their training, and which rows are held out."""
    if (train.num_users, train.num_items) != (holdout.num_users, holdout.num_items):
        raise InputError("train and holdout do not fit together", expected="the same users and items")
    kinds = tuple(dict.fromkeys((*train.kinds, *holdout.kinds)))
    recode = np.array([kinds.index(kind) for kind in holdout.kinds], np.uint8)
    first_basket = int(train.basket.max(initial=-1)) + 1
    holdout_basket = np.where(holdout.basket >= 0, holdout.basket + first_basket, -1).astype(np.int32)
    users = np.concatenate([train.user_index, holdout.user_index])
    order = np.argsort(users, kind="stable")
    merged = Interactions(
        users[order],
        np.concatenate([train.item_index, holdout.item_index])[order],
        np.concatenate([train.timestamp_s, holdout.timestamp_s])[order],
        np.concatenate([train.weight, holdout.weight])[order],
        np.concatenate([train.kind, recode[holdout.kind]])[order],
        np.concatenate([train.basket, holdout_basket])[order],
        train.num_users,
        train.num_items,
        kinds,
    )
    return merged, order >= len(train)
