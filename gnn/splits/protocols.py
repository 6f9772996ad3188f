"""Evaluation protocols by name: how a data set is cut, and what the final models may learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gnn.data import NO_TIME, Interactions
from gnn.splits import Split, cold_items, fixed_files, leave_one_out, next_basket, random_per_user, temporal_global
from graph.errors import InputError


@dataclass(frozen=True)
class Cuts:
    """What a protocol may be told: a seed, and explicit time cuts in seconds."""

    seed: int = 42
    validation_from: int | None = None
    test_from: int | None = None


@dataclass(frozen=True)
class Protocol:
    """One way to measure. ``refit`` fits the final models to validation interactions too, as deployed systems do;
    ``ordered`` says whether the order of a user's events means anything here, ``repeats`` whether users may be asked
    about items they have chosen before. ``beside`` names models that suit such data, beside the default ones, and
    ``without`` default ones that do not earn here what they cost (docs/lab-notes.md), each with the reason.
    """

    split: Callable[[Interactions, Interactions, Cuts], Split]
    summary: str
    refit: bool = True
    ordered: bool = True
    repeats: bool = False
    beside: tuple[str, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)
    newcomers: float = 0.0
    """How well unseen items are to be found, relative to seen ones; 0 leaves them to the fusion."""

    def models(self, default: tuple[str, ...]) -> tuple[str, ...]:
        """The models that suit such data, of which ``default`` suit most."""
        return (*(name for name in default if name not in self.without), *self.beside)


def _fixed(interactions: Interactions, holdout: Interactions, cuts: Cuts) -> Split:
    if not len(holdout):
        raise InputError(
            "the protocol fixed-files needs the data set's own test file",
            remedy="Map it to an edge type with holdout: true, or use another protocol.",
        )
    return fixed_files(interactions, holdout, validation="blocks", validation_share=0.2, seed=cuts.seed)


ORDER_FREE = ("bandfilter",)
READS_ORDER = {
    "sequence": "where the order of events means nothing graphsage ranks as well in a tenth of its time, and lightgcn "
    "better (docs/lab-notes.md); name it to have it fitted",
}

PROTOCOLS: dict[str, Protocol] = {
    "temporal": Protocol(
        lambda known, _, cuts: temporal_global(known, test_from=cuts.test_from, validation_from=cuts.validation_from),
        "train before a moment, validate on the next slice, test on the last; new items, users with a history",
    ),
    "leave-one-out": Protocol(
        lambda known, _, cuts: leave_one_out(known),
        "last item test, the one before validation; models learn from the training part only",
        refit=False,
    ),
    "leave-one-out-deployed": Protocol(
        lambda known, _, cuts: leave_one_out(known), "the same, with models that also know the validation items"
    ),
    "random-80-20": Protocol(
        lambda known, _, cuts: random_per_user(known, validation_share=0.25, seed=cuts.seed),
        "a random fifth of each user's items is the test, another fifth the validation",
        ordered=False,
        beside=ORDER_FREE,
        without=READS_ORDER,
    ),
    "fixed-files": Protocol(
        _fixed, "the data set's own test file", ordered=False, beside=ORDER_FREE, without=READS_ORDER
    ),
    "lightgcn": Protocol(
        _fixed,
        "LightGCN's own files: train.txt is learned from, test.txt asked",
        ordered=False,
        beside=ORDER_FREE,
        without=READS_ORDER,
    ),
    "next-basket": Protocol(
        lambda known, holdout, _: next_basket(known, holdout),
        "each user's last basket is the test, the one before validation; what was bought before may be bought again",
        repeats=True,
        beside=("personal_frequency", "personal_recency"),
    ),
    "cold": Protocol(
        lambda known, _, cuts: cold_items(known, seed=cuts.seed),
        "leave-one-out, with a tenth of the items unknown until the test and another tenth until validation",
        beside=("fresh_text", "fresh_attributes", "unseen"),
        newcomers=0.5,
    ),
}


def protocol_for(interactions: Interactions, holdout: Interactions) -> str:
    """The protocol that suits the data: its own test file, else time, else chance."""
    if len(holdout):
        return "fixed-files"
    if len(interactions) and not (interactions.timestamp_s == NO_TIME).any():
        return "temporal"
    return "random-80-20"


def protocol_named(name: str) -> Protocol:
    """The protocol called ``name``; :class:`InputError` when there is none."""
    if name not in PROTOCOLS:
        raise InputError("unknown protocol", expected="one of " + ", ".join(PROTOCOLS), got=name)
    return PROTOCOLS[name]
