"""The sources that come with Kindred, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graph.errors import NotFound
from ingest.sources.fetching import PackagedData
from ingest.sources.invented import InventedShop
from ingest.sources.source import Say, Source, SourceData

_MOVIELENS = PackagedData(
    requirement="recbole==1.2.1",
    wheel="recbole-1.2.1-py3-none-any.whl",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    folder="recbole/dataset_example/ml-100k",
    target="movielens-100k",
)

_TRAIN_AND_TEST: Mapping[str, tuple[str, ...]] = {
    "train": ("train.txt", "train.txt.gz", "train_rebuilt.txt", "train_rebuilt.txt.gz"),
    "test": ("test.txt", "test.txt.gz"),
}
_KNOWLEDGE: Mapping[str, tuple[str, ...]] = {"knowledge": ("kg_final.txt", "kg_final.txt.gz", "kg.txt", "kg.txt.gz")}

_SEQUENCES: Mapping[str, tuple[str, ...]] = {
    "sequences": (
        "Beauty.txt",
        "Sports_and_Outdoors.txt",
        "Toys_and_Games.txt",
        "Yelp.txt",
        "LastFM.txt",
        "sequences.txt",
    )
}
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {"attributes": ("*_item2attributes.json", "*_item2attributes.json.gz")}

SOURCES: Mapping[str, Source] = {
    "invented-shop": Source(
        title="an invented shop, made on the spot: to try things out without data",
        mapping="invented-shop",
        folders=("invented-shop",),
        needs={name: (name,) for name in ("items.csv", "goes_with.csv", "events.csv")},
        fetch=InventedShop(),
    ),
    "movielens": Source(
        title="MovieLens 100k with its Freebase graph",
        mapping="movielens",
        folders=("ml100k_freebase_kg", "ml-100k"),
        needs={f"ml-100k.{part}": (f"ml-100k.{part}",) for part in ("inter", "item", "user", "kg", "link")},
        fetch=_MOVIELENS,
    ),
    "online-retail": Source(
        title="UCI Online Retail",
        mapping="online-retail",
        folders=("online_retail_uci", "online_retail"),
        needs={"lines": ("online_retail.csv.gz", "online_retail.csv", "OnlineRetail.csv", "Online Retail.csv")},
        how_to_get='Export the sheet of "Online Retail.xlsx" (UCI data set 352) as online_retail.csv.',
    ),
    "retailrocket": Source(
        title="Retailrocket, view / cart / buy",
        mapping="retailrocket",
        folders=("retailrocket_multibehavior", "retailrocket"),
        needs={
            name: (name, f"{name}.gz")
            for name in ("train_mat_view.tsv", "train_mat_cart.tsv", "train_mat_buy.tsv", "test_mat.tsv")
        },
        how_to_get="Write the training matrices as tab-separated user, item, unix time; kg.txt.gz is optional.",
    ),
    "tafeng": Source(
        title="Ta-Feng grocery baskets",
        mapping="tafeng",
        folders=("tafeng_nbr", "tafeng"),
        needs={name: (name, f"{name}.gz") for name in ("tafeng_history.json", "tafeng_future.json")},
        how_to_get="The next-basket files map each user to a list of baskets.",
    ),
    "lightgcn": Source(
        title="any folder with train.txt and test.txt, as in LightGCN and KGAT",
        mapping="lightgcn",
        folders=("gowalla_lightgcn", "gowalla"),
        needs=_TRAIN_AND_TEST,
        choices=_KNOWLEDGE,
        how_to_get="Each line of both files is a user and its items.",
    ),
    "s3rec": Source(
        title="any folder of the S3-Rec shape: sequences, with brands, categories and relations where present",
        mapping="s3rec",
        folders=("amazon_beauty_kg",),
        needs=_SEQUENCES,
        choices=_ATTRIBUTES,
        not_with={"attributes": "brand_p_b.txt*"},
        how_to_get="Each line of the sequence file is a user and its items in time order.",
    ),
    "amazon-sports": Source(
        title="Amazon Sports and Outdoors, S3-Rec's files",
        mapping="s3rec",
        folders=("amazon_sports",),
        needs={"sequences": ("Sports_and_Outdoors.txt",)},
        choices=_ATTRIBUTES,
        how_to_get="Each line of the sequence file is a user and its items in time order.",
    ),
    "industrial-office": Source(
        title="Amazon departments with full texts (MiniOneRec's files): Industrial and Office, or any of that shape",
        mapping="industrial-office",
        folders=("amazon_industrial_office_text",),
        needs={
            "index.item.json": ("index__*.item.json", "index__*.item.json.gz"),
            "test.csv": ("test__*.csv", "test__*.csv.gz"),
        },
        how_to_get="A department is index__NAME.item.json, valid__NAME_….csv and test__NAME_….csv.",
    ),
    "kgcn": Source(
        title="any folder with ratings_final.txt and kg_final.txt, as in KGCN and MKR (Last.FM, Book-Crossing)",
        mapping="kgcn",
        folders=("lastfm_kgcn",),
        needs={
            "ratings": ("ratings_final.txt", "ratings_final.txt.gz"),
            "knowledge": ("kg_final.txt", "kg_final.txt.gz"),
        },
        how_to_get="ratings_final.txt holds user, item, 0 or 1; kg_final.txt head, relation, tail; separated by tabs.",
    ),
}


def open_source(name: str, data_dir: Path | None, cache_dir: Path, *, say: Say | None = None) -> SourceData:
    """The delivered source ``name``, its files found in ``data_dir`` or fetched into ``cache_dir``.

    ``data_dir`` is the data set's own folder, or one that holds it under a usual name. ``say`` hears of
    downloads.

    Raises:
        NotFound: there is no such source, or its data is nowhere; the message says what to put where.
    """
    source = SOURCES.get(name)
    if source is None:
        raise NotFound(
            "no such source",
            expected="one of " + ", ".join(SOURCES),
            got=name,
            remedy="For data of your own write a mapping: docs/mapping.md.",
        )
    return source.open(name, data_dir, cache_dir, say or _silent)


def _silent(_: str) -> None:
    """Hears nothing."""
