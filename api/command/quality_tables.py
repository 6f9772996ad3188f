"""The quality tables there are: data, protocol, what others reached, and what the served ranking has to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BUDGET_S = 120.0
"""Seconds that each model trained by gradient may take in a table, per fit."""


@dataclass(frozen=True)
class QualityTable:
    """One table: a data set, where it is, a protocol, and what there is to beat."""

    data: str
    source: str
    protocol: str
    title: str
    folder: str | None = None
    """Sub-folder of the data directory, for sources that fit several data sets."""
    test_from: str | None = None
    to_beat: str = ""
    goal: Mapping[str, float] = field(default_factory=dict)
    """What the served ranking has to reach, by metric."""
    text: str = "minilm"
    """What encodes the items' texts."""
    budget_s: float = BUDGET_S
    controls: bool = True

    def command(self, seed: int) -> str:
        """The command that measures this table alone."""
        parts = [f"kindred evaluate --source {self.source} --data-dir $KINDRED_DATA_DIR"]
        parts[0] += f"/{self.folder}" if self.folder else ""
        parts += [f"--protocol {self.protocol}", f"--test-from {self.test_from}" if self.test_from else ""]
        parts += [f"--budget {self.budget_s:.0f}" if self.budget_s != BUDGET_S else "", f"--seed {seed}"]
        parts += ["--controls" if self.controls else ""]
        return " ".join(part for part in parts if part)


BEAUTY, SPORTS = "amazon_beauty_kg", "amazon_sports"
TABLES: dict[str, QualityTable] = {
    "movielens-100k": QualityTable(
        "movielens-100k",
        "movielens",
        "random-80-20",
        "MovieLens-100k, rating ≥ 4, random 80/20 per user",
        to_beat="EASE .363/.335, LightGCN .360/.316, graph filter .351/.311 (recall@20/ndcg@20)",
        goal={"recall@20": 0.375, "ndcg@20": 0.345},
    ),
    "movielens-100k-temporal": QualityTable(
        "movielens-100k", "movielens", "temporal", "MovieLens-100k, rating ≥ 4, temporal"
    ),
    "online-retail": QualityTable(
        "online-retail",
        "online-retail",
        "temporal",
        "UCI Online Retail, temporal cut 2011-11-01, new items only",
        test_from="2011-11-01",
        to_beat="EASE .0998/.1056, popularity .0376/.0429 (recall@20/ndcg@20)",
        goal={"recall@20": 0.1098, "ndcg@20": 0.1162},
    ),
    "lastfm": QualityTable(
        "lastfm",
        "kgcn",
        "random-80-20",
        "Last.FM, KGCN's data, random 80/20 per user, full ranking",
        folder="lastfm_kgcn",
        to_beat="ItemKNN .2688/.2056, ALS .2616/.2063 (recall@20/ndcg@20), on a split of unknown shares: compare "
        "with the same models below",
        goal={"recall@20": 0.2822, "ndcg@20": 0.2159},
    ),
    "tafeng": QualityTable(
        "tafeng",
        "tafeng",
        "next-basket",
        "Ta-Feng groceries, the next basket, repeat purchases allowed",
        to_beat="GP-TopFreq .1195/.3721/.1069 (recall@10/phr@10/ndcg@10)",
        goal={"recall@10": 0.1195, "phr@10": 0.3721, "ndcg@10": 0.1069},
    ),
    "retailrocket": QualityTable(
        "retailrocket", "retailrocket", "temporal", "RetailRocket, views, carts and purchases, temporal, new items only"
    ),
    "gowalla": QualityTable(
        "gowalla",
        "lightgcn",
        "lightgcn",
        "Gowalla, LightGCN's split",
        folder="gowalla_lightgcn",
        to_beat="LightGCN .1830/.1554, UltraGCN .1862/.1580, GF-CF .1870/.1538, BSPM .1920/.1597 (recall@20/ndcg@20)",
        goal={"recall@20": 0.193, "ndcg@20": 0.160},
        budget_s=300.0,
    ),
    "industrial-office": QualityTable(
        "industrial-office",
        "industrial-office",
        "leave-one-out",
        "Amazon Industrial and Office with full texts, leave-one-out",
    ),
    "industrial-office-cold": QualityTable(
        "industrial-office",
        "industrial-office",
        "cold",
        "Amazon Industrial and Office with full texts, a tenth of the items never seen before the test",
        to_beat="half of the seen items' ndcg@10",
    ),
    "amazon-beauty": QualityTable(
        "amazon-beauty",
        "s3rec",
        "leave-one-out",
        "Amazon Beauty, S3-Rec split, graph from training interactions and catalogue attributes only",
        folder=BEAUTY,
        to_beat="S3-Rec .0647/.0327, TIGER .0648/.0384, IDGenRec .0814/.0541, itemKNN .0649/.0397 (hr@10/ndcg@10)",
        goal={"hr@10": 0.120, "ndcg@10": 0.073},
    ),
    "amazon-beauty-deployed": QualityTable(
        "amazon-beauty",
        "s3rec",
        "leave-one-out-deployed",
        "Amazon Beauty, S3-Rec split, the graph also knows the validation item",
        folder=BEAUTY,
        goal={"hr@10": 0.135, "ndcg@10": 0.082},
        controls=False,  # they are measured on validation, where it is the table above
    ),
    "amazon-beauty-cold": QualityTable(
        "amazon-beauty",
        "s3rec",
        "cold",
        "Amazon Beauty, a tenth of the items never seen before the test",
        folder=BEAUTY,
        to_beat="half of the seen items' ndcg@10",
    ),
    "amazon-sports": QualityTable(
        "amazon-sports",
        "s3rec",
        "leave-one-out",
        "Amazon Sports, S3-Rec split, graph from training interactions and catalogue attributes only",
        folder=SPORTS,
        to_beat="S3-Rec .0385/.0204 (hr@10/ndcg@10)",
        goal={"hr@10": 0.075, "ndcg@10": 0.044},
    ),
    "amazon-sports-deployed": QualityTable(
        "amazon-sports",
        "s3rec",
        "leave-one-out-deployed",
        "Amazon Sports, S3-Rec split, the graph also knows the validation item",
        folder=SPORTS,
        goal={"hr@10": 0.084, "ndcg@10": 0.050},
        controls=False,
    ),
}
