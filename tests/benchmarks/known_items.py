"""Known-item queries: what somebody types who looks for one title, with slips, missing words and unfinished words.

``python -m tests.benchmarks.known_items var/releases 500`` measures the search of a release with them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from api.engine import Engine
from api.engine.finding.words import words_of
from graph.release import current_release

EXPORTS = Path(__file__).parents[2] / "var" / "text"
"""Where a training keeps exported text encoders; a benchmark need not export again."""
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


def table(engine: Engine, titles: Sequence[str], count: int, seed: int = 7) -> list[dict[str, float | str]]:
    """Per way of typing: the mean reciprocal rank of the title meant, and how often it is first or among ten."""
    rows: list[dict[str, float | str]] = []
    for name, alter in ALTERED.items():
        asked = known_item_queries(titles, alter, count, seed)
        ranks = [found_at([item.title for item in engine.search(query, 10).items], wanted) for query, wanted in asked]
        gains = [0.0 if rank is None else 1.0 / rank for rank in ranks]
        first, ten = sum(rank == 1 for rank in ranks), sum(rank is not None for rank in ranks)
        figures = {"mrr@10": sum(gains), "first": float(first), "hit@10": float(ten)}
        rows.append(
            {"typed": name, "queries": str(len(asked))} | {key: value / len(asked) for key, value in figures.items()}
        )
    return rows


def main(releases: Path, count: int) -> None:
    """Prints the table for the current release of a folder."""
    release = current_release(releases)
    nodes = release.snapshot.nodes(release.snapshot.schema.item_type)
    titles = [nodes.title(row) for row in range(len(nodes))]
    for row in table(Engine.from_release(release), titles, count):
        print(" | ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 500)
