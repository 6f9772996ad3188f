"""Every delivered source on a small folder of its shape: what is read becomes the graph it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from graph.errors import NotFound
from graph.store import GraphStore, open_store
from ingest.loading import ingest
from ingest.mapping import Mapping, delivered_mappings, load_mapping
from ingest.report import IngestReport
from ingest.sources import SOURCES, open_source
from tests.ingest.small_sources import write_files, write_online_retail


def _movielens(folder: Path) -> None:
    folder.mkdir(parents=True)
    for part, lines in {
        "inter": [
            "user_id:token\titem_id:token\trating:float\ttimestamp:float",
            "1\t1\t5\t881250949",
            "1\t2\t3\t881250950",
        ],
        "item": [
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
            '1\tUsual "Suspects", The\t1995\tCrime Thriller',
            "2\tPostino, Il (1994)\tunkonwn\tunknown",
        ],
        "user": [
            "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token",
            "1\t24\tM\ttechnician\t05201",
        ],
        "link": ["item_id:token\tentity_id:token", "1\tm.a", "2\tm.b"],
        "kg": [
            "head_id:token\trelation_id:token\ttail_id:token",
            "m.a\tfilm.film.actor\tm.p1",
            "m.a\tfilm.film.directed_by\tm.p1",
            "m.p1\tfilm.director.film\tm.a",
            "m.a\tfilm.film.sequel\tm.b",
            "m.a\tfilm.film.sequel\tm.elsewhere",
            "m.elsewhere\tfilm.film.genre\tm.g",
        ],
    }.items():
        (folder / f"ml-100k.{part}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _invented_shop(folder: Path) -> None:
    write_files(
        folder,
        items__csv="sku,title,brand,category,price\ns0,Elm soap,Elm,Bath,3.50\ns1,Elm shampoo,Elm,Hair,4.00\n",
        goes_with__csv="sku,other\ns0,s1\n",
        events__csv="user,sku,kind,when\nu0,s0,view,1735700000\nu0,s0,purchase,1735700100\n",
    )


def _retailrocket(folder: Path) -> None:
    write_files(
        folder,
        train_mat_view__tsv__gz="0\t0\t1433222501\n0\t1\t1433222600\n1\t1\t1433222600\n",
        train_mat_cart__tsv__gz="0\t1\t1433222700\n",
        train_mat_buy__tsv__gz="0\t1\t1433222800\n",
        test_mat__tsv__gz="1\t2\t1\n",
        kg__txt__gz="0 0 0\n0 0 1\n1 0 0\n0 2 1\n",
    )


def _tafeng(folder: Path) -> None:
    write_files(
        folder,
        tafeng_history__json=json.dumps({"7": [[-1], [0, 1], [1], [-1]]}),
        tafeng_future__json=json.dumps({"7": [[-1], [5], [-1]]}),
    )


def _lightgcn(folder: Path) -> None:
    write_files(
        folder,
        train__txt="0 0 1 2\n1 2\n2\n",
        test__txt="0 3\n1 0\n",
        kg_final__txt="0 1 9\n9 1 1\n2 0 3\n9 2 10\n",
    )


def _s3rec(folder: Path) -> None:
    write_files(
        folder,
        Beauty__txt="1 1 2 1\n2 2 3\n",
        Beauty_item2attributes__json=json.dumps({"1": [4]}),
        itemid_to_asin__tsv="1\tB01\n2\tB02\n3\tB03\n",
        item_generative_indexing_phase_0__txt="B01 red nail polish\nB02 soap\nB03 argan oil\n",
        product__txt__gz="B02\nB01\nB03\n",
        brand__txt__gz="Acme\n\nPond&#39;s &amp; Co\n",
        brand_p_b__txt__gz="2\n\n0\n",
        category__txt__gz="Beauty\nNails\nBath &  Body\n",
        category_p_c__txt__gz="0 2\n0 1\n0\n",
        related_product__txt__gz="ELSEWHERE\nB01\n",
        also_bought_p_p__txt__gz="0 1\n\n\n",
        also_viewed_p_p__txt__gz="\n\n1\n",
        bought_together_p_p__txt__gz="\n\n\n",
    )


def _amazon_sports(folder: Path) -> None:
    write_files(
        folder,
        Sports_and_Outdoors__txt="1 1 2\n2 2 1\n",
        Sports_and_Outdoors_item2attributes__json=json.dumps({"1": [4, 5], "2": [5]}),
    )


def _kgcn(folder: Path) -> None:
    write_files(
        folder, ratings_final__txt="0\t0\t1\n0\t1\t0\n1\t1\t1\n", kg_final__txt="0\t3\t7\n1\t3\t7\n7\t2\t8\n0\t1\t1\n"
    )


def _industrial_office(folder: Path) -> None:
    folder.mkdir(parents=True)
    items = {
        "0": {"title": "Wood screws", "description": "['Hundred of them.']", "brand": "Elm", "categories": ""},
        "1": {"title": "Glue", "description": "[]", "brand": "", "categories": ""},
        "2": {"title": "Nails", "description": "", "brand": "elm ", "categories": ""},
    }
    (folder / "index__Tools.item.json").write_text(json.dumps(items))
    head = "user_id,history_item_title,item_title,history_item_id,item_id,history_item_sid,item_sid"
    for part, line in {"valid": "A1,\"['Wood screws']\",Glue,[0],1,x,y", "test": 'A1,x,Nails,"[0, 1]",2,x,y'}.items():
        (folder / f"{part}__Tools_5_2016-10-2018-11.csv").write_text(f"{head}\n{line}\n")


@dataclass
class Small:
    write: Callable[[Path], None]
    nodes: dict[str, int]
    edges: dict[str, int]
    filtered: int


SMALL = {
    "invented-shop": Small(
        _invented_shop,
        {"User": 1, "Item": 2, "Brand": 1, "Category": 2},
        {"VIEWED": 1, "PURCHASED": 1, "HAS_BRAND": 2, "IN_CATEGORY": 2, "GOES_WITH": 1},
        filtered=0,
    ),
    "industrial-office": Small(
        _industrial_office, {"User": 1, "Item": 3, "Brand": 1}, {"PURCHASED": 3, "HAS_BRAND": 2, "NEXT": 3}, filtered=0
    ),
    "movielens": Small(
        _movielens,
        {"User": 1, "Item": 2, "Genre": 2, "Person": 1},
        {"LIKED": 1, "RATED": 1, "HAS_GENRE": 2, "HAS_ACTOR": 1, "DIRECTED_BY": 1, "HAS_SEQUEL": 1},
        filtered=3,
    ),
    "online-retail": Small(
        write_online_retail,
        {"User": 1, "Item": 3, "Term": 8},
        {"PURCHASED": 3, "RETURNED": 1, "HAS_TERM": 8, "NEXT": 2},
        filtered=2,
    ),
    "retailrocket": Small(
        _retailrocket,
        {"User": 2, "Item": 3},
        {
            "VIEWED": 3,
            "CARTED": 1,
            "PURCHASED": 1,
            "PURCHASED_IN_TEST": 1,
            "VIEWED_WITH": 2,
            "BOUGHT_WITH": 1,
            "NEXT": 1,
        },
        filtered=1,
    ),
    "tafeng": Small(_tafeng, {"User": 1, "Item": 3}, {"PURCHASED": 3, "PURCHASED_IN_TEST": 1, "NEXT": 1}, filtered=4),
    "lightgcn": Small(
        _lightgcn,
        {"User": 2, "Item": 4, "Entity": 2},
        {"INTERACTED": 4, "INTERACTED_IN_TEST": 2, "HAS_FACT": 1, "FACT_OF": 1, "ITEM_FACT": 1, "ENTITY_FACT": 1},
        filtered=0,
    ),
    "s3rec": Small(
        _s3rec,
        {"User": 2, "Item": 3, "Brand": 2, "Category": 2},
        {"PURCHASED": 5, "HAS_BRAND": 2, "HAS_CATEGORY": 2, "ALSO_BOUGHT": 1, "ALSO_VIEWED": 1, "NEXT": 3},
        filtered=0,
    ),
    "amazon-sports": Small(
        _amazon_sports,
        {"User": 2, "Item": 2, "Attribute": 2},
        {"PURCHASED": 4, "HAS_ATTRIBUTE": 3, "NEXT": 2},
        filtered=0,
    ),
    "kgcn": Small(
        _kgcn,
        {"User": 2, "Item": 2, "Entity": 2},
        {"INTERACTED": 2, "HAS_FACT": 2, "ENTITY_FACT": 1, "ITEM_FACT": 1},
        filtered=1,
    ),
}


def _opened(name: str, data_dir: Path, cache_dir: Path) -> Mapping:
    data = open_source(name, data_dir, cache_dir)
    return load_mapping(data.mapping_path, data.data_dir, variables=data.variables)


def _ingested(name: str, tmp_path: Path, store: GraphStore) -> IngestReport:
    folder = tmp_path / "data" / SOURCES[name].folders[0]
    if not folder.exists():
        SMALL[name].write(folder)
    return ingest(_opened(name, tmp_path / "data", tmp_path / "cache"), store, work_dir=tmp_path / "work")


def test_every_source_has_a_small_folder_and_every_mapping_a_source() -> None:
    assert set(SMALL) == set(SOURCES)
    assert {source.mapping for source in SOURCES.values()} == set(delivered_mappings())


@pytest.mark.parametrize("name", SMALL)
def test_a_source_becomes_its_graph_and_every_row_is_accounted_for(name: str, tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        report = _ingested(name, tmp_path, store)
        assert {kind: count for kind, count in report.nodes.items() if count} == SMALL[name].nodes
        by_relation = {key.split("-")[1]: count for key, count in report.edges.items() if count}
        assert by_relation == SMALL[name].edges
        assert report.quarantined == 0
        assert report.read == report.stored + report.filtered
        if SMALL[name].filtered:
            assert report.filtered >= SMALL[name].filtered
        assert _ingested(name, tmp_path, store).changed == 0


@pytest.mark.parametrize("name", SMALL)
def test_a_source_is_found_in_its_own_folder_too(name: str, tmp_path: Path) -> None:
    SMALL[name].write(tmp_path / "anywhere")
    assert open_source(name, tmp_path / "anywhere", tmp_path / "cache").data_dir == tmp_path / "anywhere"


@pytest.mark.parametrize("name", [name for name in SMALL if SOURCES[name].fetch is None])
def test_missing_data_says_what_to_put_where(name: str, tmp_path: Path) -> None:
    (tmp_path / SOURCES[name].folders[0]).mkdir()
    with pytest.raises(NotFound) as raised:
        open_source(name, tmp_path, tmp_path / "cache")
    message = str(raised.value)
    assert str(tmp_path / SOURCES[name].folders[0]) in message
    assert all(names[0] in message for names in SOURCES[name].needs.values())
    assert "--data-dir" in message
    with pytest.raises(NotFound, match="no data directory"):
        open_source(name, None, tmp_path / "cache")


def test_an_unknown_source_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"movielens.*got netflix"):
        open_source("netflix", tmp_path, tmp_path)


def test_films_read_as_people_write_them_and_bare_entities_have_no_name(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        _ingested("movielens", tmp_path, store)
        first, second, person = (store.node(*key) for key in [("Item", "1"), ("Item", "2"), ("Person", "m.p1")])
    assert first is not None
    assert first.properties == {
        "title": 'The Usual "Suspects"', "year": 1995, "genres": ["Crime", "Thriller"], "freebase_id": "m.a",
    }  # fmt: skip
    assert second is not None
    assert second.properties["title"] == "Il Postino (1994)"
    assert "year" not in second.properties
    assert person is not None
    assert person.properties == {}


def test_a_basket_keeps_its_invoice_and_a_return_speaks_against(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        _ingested("online-retail", tmp_path, store)
        edges = [neighbor.edge for neighbor in store.neighbors("User", "17850", direction="out").neighbors]
        schema = store.schema
        terms = {neighbor.node[1] for neighbor in store.neighbors("Item", "85123A", direction="out").neighbors}
    found = {(edge.edge_type[1], edge.target_id, edge.qualifier, edge.properties["quantity"]) for edge in edges}
    assert found == {
        ("PURCHASED", "85123A", "536365", 6),
        ("PURCHASED", "85123A", "536366", 2),
        ("PURCHASED", "71053", "536366", 1),
        ("RETURNED", "71053", "C536367", -1),
    }
    assert not schema.edge(("User", "RETURNED", "Item")).positive
    assert {"white", "hanging", "heart", "holder"} <= terms


def test_rows_of_aligned_files_stay_together_across_blank_lines(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        _ingested("s3rec", tmp_path, store)
        names = {
            item: {
                (neighbor.edge.edge_type[1], neighbor.node[1]) for neighbor in store.neighbors("Item", item).neighbors
            }
            for item in ("B01", "B02", "B03")
        }
        title = store.node("Item", "B01")
        learned = {spec.relation: spec.learn for spec in store.schema.edges}
    assert ("HAS_BRAND", "Pond's & Co") in names["B02"]
    assert ("HAS_BRAND", "Acme") in names["B03"]
    assert ("HAS_CATEGORY", "Nails") in names["B01"]
    assert ("ALSO_BOUGHT", "B01") in names["B02"]
    assert title is not None
    assert title.properties["title"] == "red nail polish"
    assert not any(learned[name] for name in ("ALSO_BOUGHT", "ALSO_VIEWED", "BOUGHT_TOGETHER", "NEXT"))


def test_test_files_are_held_out() -> None:
    for name in ("lightgcn", "retailrocket", "tafeng"):
        schema = load_mapping(name, Path("nowhere")).schema
        assert (
            [spec.relation for spec in schema.edges if spec.holdout]
            == [spec.relation for spec in schema.edges if spec.relation.endswith("_IN_TEST")]
            != []
        )


def test_the_invented_shop_is_the_same_every_time_and_its_new_things_are_hardly_bought(tmp_path: Path) -> None:
    first, second = (open_source("invented-shop", None, tmp_path / place).data_dir for place in ("one", "two"))
    again = open_source("invented-shop", None, tmp_path / "one").data_dir
    assert again == first
    for name in SOURCES["invented-shop"].needs:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    events = [line.split(",") for line in (first / "events.csv").read_text().splitlines()[1:]]
    bought = [sku for _, sku, kind, _ in events if kind == "purchase"]
    new = {f"s{at:03d}" for at in range(224, 240)}
    assert sum(sku in new for sku in bought) < 0.02 * len(bought)
    described = (first / "items.csv").read_text()
    assert all(f"{sku}," in described for sku in new)
