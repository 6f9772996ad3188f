"""An invented shop, made on the spot: something to try everything on where there is no network and no data."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ingest.sources.source import Say

_BRANDS = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Linden", "Maple", "Oak", "Rowan", "Willow")
_THINGS = {
    "Tea": ("green tea", "black tea", "herbal tea"),
    "Teaware": ("teapot", "strainer", "tea cup"),
    "Coffee": ("espresso beans", "filter coffee", "decaf coffee"),
    "Coffee gear": ("hand grinder", "filter stand", "coffee cup"),
    "Baking": ("rye flour", "cake tin", "rolling pin"),
    "Bath": ("olive soap", "bath salt", "sponge"),
    "Hair": ("shampoo", "hair brush", "hair oil"),
    "Garden": ("seed mix", "hand trowel", "watering can"),
}
_GO_TOGETHER = (("Tea", "Teaware"), ("Coffee", "Coffee gear"), ("Bath", "Hair"))
"""Whoever takes from the first often goes on to the second, and curators relate their things of one brand."""
_START_S = 1_735_689_600
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class InventedShop:
    """Writes the shop's files, the same ones every time, once.

    240 things of ten brands and eight categories; 450 people, each with two categories and two brands they like, who
    buy about ten things within a year, one thing often leading to what goes with it. The last ``new`` things came into
    the shop in its last weeks: their brand and category are known, and hardly anybody has them.
    """

    people: int = 450
    new: int = 16
    seed: int = 11
    target: str = "invented-shop"

    def __call__(self, cache_dir: Path, say: Say) -> Path:
        target = cache_dir / self.target
        if target.is_dir():
            return target
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix="inventing-") as name:
            written = Path(name) / "shop"
            written.mkdir()
            self.write(written)
            try:
                written.rename(target)
            except OSError:  # another process was first; its copy is the same
                if not target.is_dir():
                    raise
        return target

    def write(self, folder: Path) -> None:
        """``items.csv``, ``goes_with.csv``, ``events.csv``."""
        random = Random(self.seed)  # noqa: S311  # nothing secret
        items = self._items(random)
        _write(folder / "items.csv", ("sku", "title", "brand", "category", "price"), items)
        _write(folder / "goes_with.csv", ("sku", "other"), _goes_with(items))
        _write(folder / "events.csv", ("user", "sku", "kind", "when"), self._events(items, random))

    def _items(self, random: Random) -> list[tuple[str, str, str, str, str]]:
        kinds = [
            (brand, category, thing) for category, things in _THINGS.items() for thing in things for brand in _BRANDS
        ]
        random.shuffle(kinds)
        return [
            (f"s{at:03d}", f"{brand} {thing}", brand, category, f"{random.uniform(2, 60):.2f}")
            for at, (brand, category, thing) in enumerate(kinds)
        ]

    def _events(self, items: Sequence[tuple[str, ...]], random: Random) -> Iterable[tuple[str, str, str, int]]:
        fame = [1.0 / (1 + at % 40) ** 0.5 for at in range(len(items))]
        for person in range(self.people):
            categories, brands = random.sample(list(_THINGS), 2), random.sample(_BRANDS, 2)
            others = dict(_GO_TOGETHER)
            liked = {*categories, *(others[category] for category in categories if category in others)}
            day, last, owned = random.uniform(0, 200), "", set[str]()
            for _ in range(random.randint(6, 14)):
                day += random.expovariate(1 / 14)
                if day > 365:
                    break
                shelf = len(items) if day > 335 else len(items) - self.new
                weight = [
                    fame[at]
                    * (1.0 if category in liked else 0.02)
                    * (1.0 if brand in brands else 0.15)
                    * (4.0 if category == others.get(last) else 1.0)
                    * (sku not in owned)
                    for at, (sku, _, brand, category, _) in enumerate(items[:shelf])
                ]
                sku, _, _, last, _ = random.choices(items[:shelf], weight)[0]
                owned.add(sku)
                when = int(_START_S + day * _DAY_S)
                if random.random() < 0.5:
                    yield f"u{person:03d}", sku, "view", when - random.randint(60, 3600)
                yield f"u{person:03d}", sku, "purchase", when


def _goes_with(items: Sequence[tuple[str, ...]]) -> Iterable[tuple[str, str]]:
    for before, after in _GO_TOGETHER:
        for sku, _, brand, category, _ in items:
            if category == before:
                same = [other for other, _, its, kind, _ in items if kind == after and its == brand]
                yield from ((sku, other) for other in same)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
