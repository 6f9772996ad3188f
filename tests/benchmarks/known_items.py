"""Known-item queries: what somebody types who looks for one title, with slips, missing words and unfinished words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from api.engine.finding.words import words_of

NEARBY = {"a": "sq", "e": "wr", "i": "uo", "o": "ip", "n": "bm", "t": "ry", "s": "ad", "r": "et", "l": "k", "c": "xv"}

Alter = Callable[[random.Random, list[str]], list[str]]


def _slip(dice: random.Random, word: str) -> str:
    """One slip of the finger in a word of four letters or more."""
    if len(word) < 4:
        return word
    at = dice.randrange(1, len(word))
    how = dice.randrange(4)
    if how == 0:
        return word[:at] + word[at + 1 :]
    if how == 1:
        return word[:at] + word[at - 1] + word[at:]
    if how == 2 and at + 1 < len(word):
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + dice.choice(NEARBY.get(word[at], "e")) + word[at + 1 :]


def typo(dice: random.Random, words: list[str]) -> list[str]:
    at = dice.choice([at for at, word in enumerate(words) if len(word) >= 4] or [0])
    return [_slip(dice, word) if place == at else word for place, word in enumerate(words)]


def drop(dice: random.Random, words: list[str]) -> list[str]:
    if len(words) < 3:
        return words
    gone = dice.randrange(len(words))
    return [word for at, word in enumerate(words) if at != gone]


def unfinished(dice: random.Random, words: list[str]) -> list[str]:
    last = words[-1]
    return [*words[:-1], last[: max(3, len(last) - 2)]]


def typo_and_drop(dice: random.Random, words: list[str]) -> list[str]:
    return typo(dice, drop(dice, words))


ALTERED: dict[str, Alter] = {
    "as it is": lambda _, words: words,
    "one slip": typo,
    "a word missing": drop,
    "unfinished": unfinished,
    "slip and word missing": typo_and_drop,
}


def known_item_queries(titles: Sequence[str], alter: Alter, count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of a query and the title it was made from; only titles of two words or more, each once."""
    dice = random.Random(seed)
    chosen = [title for title in dict.fromkeys(titles) if len(title.split()) >= 2]
    dice.shuffle(chosen)
    return [(" ".join(alter(dice, title.lower().split())), title) for title in chosen[:count]]


def found_at(titles: Sequence[str], wanted: str) -> int | None:
    """The rank of the title in a list, from 1; another item of the same name is as good."""
    words = words_of(wanted)
    return next((rank for rank, title in enumerate(titles, 1) if words_of(title) == words), None)
