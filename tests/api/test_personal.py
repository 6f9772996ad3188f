"""A person's data: exported whole, erased from every file, and of no influence for one who opted out."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.app import create_app
from api.engine import Request
from graph.erasure import is_pseudonym, named_by, pseudonym
from graph.errors import NotFound
from graph.records import DeleteNodes, UpsertNodes
from graph.release import activate, list_releases, purge_erased, rollback, write_release
from graph.snapshot import build_snapshot
from graph.store import open_store
from tests.api.corner_shop import Shop, behaviour, catalogue, invoice, open_shop
from tests.api.http_release import publish
from tests.api.http_server import settings_for

CANARY = "canary-7f3a9c"
BOUGHT = ("tea", "pot", "duck")


def found_in(folder: Path, text: str) -> list[str]:
    """Every file whose bytes hold a text, in any of the encodings a file may use."""
    forms = {text.encode(), text.encode("utf-16-le"), json.dumps(text).strip('"').encode()}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [str(path.relative_to(folder)) for path in files if any(form in path.read_bytes() for form in forms)]


def shop_with_canary(folder: Path) -> Shop:
    """The corner shop with one more customer, whose id also stands in invoice numbers and in the quarantine."""
    writes = [*catalogue(), *behaviour(), invoice(CANARY, BOUGHT, 40, f"invoice-of-{CANARY}")]
    quarantine = folder / "ingest" / "quarantine"
    quarantine.mkdir(parents=True)
    lines = [{"line": 1, "value": CANARY, "reason": "twice"}, {"line": 2, "value": "x", "reason": "odd"}]
    (quarantine / "orders.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return open_shop(folder, writes)


def in_shop(folder: Path, scenario: Any) -> None:
    async def play() -> None:
        shop = shop_with_canary(folder)
        publish(shop, folder / "releases")
        shop.store.close()
        shop.snapshot.close()
        app = create_app(settings_for(folder, 1).model_copy(update={"work_dir": folder}))
        transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://shop") as client,
        ):
            while (await client.get("/ready")).status_code != 200:
                await asyncio.sleep(0.02)
            await scenario(client)

    asyncio.run(play())


def test_an_erased_person_is_in_no_file_once_the_next_release_is_there(tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        event = {"user_id": CANARY, "item_id": "cup", "kind": "purchase", "event_id": f"event-of-{CANARY}"}
        await client.post("/v1/events", json=event)
        assert (await client.get(f"/v1/users/{CANARY}/export")).json()["edges"]
        release = (await client.get("/v1/search?q=tea")).json()["release"]["id"]
        erased = (await client.delete(f"/v1/users/{CANARY}")).json()
        assert erased["changed"] == 5
        assert erased["quarantined"] == 1
        assert erased["releases"] == [release]
        assert (await client.get(f"/v1/users/{CANARY}/export")).status_code == 404
        answer = (await client.get(f"/v1/users/{CANARY}/recommendations")).json()
        assert answer["fallback_used"] == "popularity"
        assert answer["unknown_ids"] == [CANARY]
        assert (await client.delete(f"/v1/users/{CANARY}")).json()["changed"] == 0

    in_shop(tmp_path, scenario)
    inside = found_in(tmp_path, CANARY)
    assert inside
    assert all(path.startswith("releases/") or path.startswith("snapshot/") for path in inside), inside

    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        snapshot = build_snapshot(store, tmp_path / "next")
        fresh = write_release(
            tmp_path / "releases", snapshot=snapshot.directory, arrays={}, documents={}, now=datetime.now(UTC)
        )
        snapshot.close()
    (old,) = [info.id for info in list_releases(tmp_path / "releases") if info.id != fresh.id]
    activate(tmp_path / "releases", fresh.id)
    assert purge_erased(tmp_path / "releases") == [old]
    assert [path for path in found_in(tmp_path, CANARY) if not path.startswith("snapshot/")] == []
    assert not (tmp_path / "releases" / "ERASED").exists()
    with pytest.raises(NotFound):
        rollback(tmp_path / "releases")


def test_a_person_erased_while_training_goes_with_the_release_after(shop: Shop, tmp_path: Path) -> None:
    from graph.erasure import ErasureList

    root = tmp_path / "releases"
    publish(shop, root, 1)
    publish(shop, root, 2)
    ErasureList.beside(root).add("t00")
    assert len(purge_erased(root)) == 1
    assert len(list_releases(root)) == 1
    assert ErasureList.beside(root).hold(["t00"])  # the current one still holds her


def test_erasure_is_seen_by_a_server_that_starts_from_an_older_release(shop: Shop) -> None:
    erase = shop.store.erase_node  # type: ignore[attr-defined]
    before = shop.engine.recommend(Request("t00", n=3))
    assert before.unknown_ids == ()
    together = shop.engine.related("tea", "bought_together", n=3)
    erase("Customer", "t00", batch_id="gdpr", actor="privacy")
    shop.overlay.apply(shop.store.changes_since(shop.overlay.state.watermark))
    assert shop.engine.recommend(Request("t00", n=3)).unknown_ids == ("t00",)
    assert shop.view.index_of("Customer", "t00") is None
    after = shop.engine.related("tea", "bought_together", n=3)
    assert {item.item_id: item.score for item in after.items} != {item.item_id: item.score for item in together.items}
    shop.buy("t00", "duck")
    assert shop.engine.histories(["t00"]).item_index.tolist() == [shop.index("duck")]


def test_a_person_deleted_long_ago_can_still_be_erased(shop: Shop, tmp_path: Path) -> None:
    shop.write(UpsertNodes("Customer", [CANARY]), invoice(CANARY, BOUGHT, 1, f"n-{CANARY}"))
    shop.write(DeleteNodes("Customer", [CANARY]))
    shop.store.erase_node("Customer", CANARY, batch_id="gdpr", actor="privacy")  # type: ignore[attr-defined]
    assert [path for path in found_in(tmp_path, CANARY) if path.startswith("graph.db")] == []


def test_among_many_writes_an_erased_id_is_in_no_page_of_the_store(tmp_path: Path) -> None:
    names = [f"{CANARY}-{at:04}" for at in range(600)]
    with open_shop(tmp_path).store as store:
        for at, name in enumerate(names):  # one by one: rows move between pages as the file grows
            store.apply([invoice(name, BOUGHT, at % 50, f"order-{name}")], batch_id=f"b{at}", actor="test")
        for name in names[::7]:
            store.erase_node("Customer", name, batch_id="gdpr", actor="privacy")  # type: ignore[attr-defined]
        for name in names[::7]:
            assert [path for path in found_in(tmp_path, name) if path.startswith("graph.db")] == []
        kept = store.neighbors("Customer", names[1]).neighbors
        assert len(kept) == 3


def test_an_export_holds_every_property_and_edge(tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        event = {"user_id": CANARY, "item_id": "cup", "kind": "view", "event_id": "e1", "timestamp": 1_700_000_000}
        await client.post("/v1/events", json=event)
        document = (await client.get(f"/v1/users/{CANARY}/export")).json()
        assert document["user_id"] == CANARY
        edges = sorted(document["edges"], key=lambda edge: (edge["relation"], edge["node"]))
        assert [(edge["relation"], edge["node"][1], edge["qualifier"]) for edge in edges] == [
            *(("PURCHASED", item, f"invoice-of-{CANARY}") for item in sorted(BOUGHT)),
            ("VIEWED", "cup", "e1"),
        ]
        assert edges[-1]["timestamp"] == "2023-11-14T22:13:20.000+00:00"
        assert (await client.get("/v1/users/nobody/export")).status_code == 404

    in_shop(tmp_path, scenario)


def test_who_opts_out_gets_lists_that_do_not_depend_on_history(tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        def ids(reply: Any) -> list[str]:
            return [item["item_id"] for item in reply.json()["items"]]

        lists = ("/v1/users/{}/recommendations?n=13", "/v1/search?q=nivea&user_id={}")
        before = [[ids(await client.get(path.format(user))) for user in ("t00", "b00")] for path in lists]
        assert before[0][0] != before[0][1]
        for user in ("t00", "b00"):
            reply = await client.patch(f"/v1/users/{user}", json={"properties": {"profiling": False}})
            assert reply.json()["changed"] == 1
        for path in lists:
            one, other = [await client.get(path.format(user)) for user in ("t00", "b00")]
            assert ids(one) == ids(other)
            assert one.json()["unknown_ids"] == []
        await client.post("/v1/events", json={"user_id": "t00", "item_id": "duck", "kind": "purchase"})
        one, other = [await client.get(lists[0].format(user)) for user in ("t00", "b00")]
        assert ids(one) == ids(other)
        await client.patch("/v1/users/t00", json={"properties": {"profiling": None}})
        assert ids(await client.get(lists[0].format("t00"))) != ids(other)
        assert (await client.patch("/v1/users/t00", json={"properties": {"shoe_size": 43}})).status_code == 422

    in_shop(tmp_path, scenario)


def test_a_pseudonym_is_recognised_by_its_id_alone() -> None:
    name = pseudonym("anna")
    assert is_pseudonym(name)
    assert "anna" not in name
    assert name != pseudonym("anna")
    assert named_by(name, ["bert", "anna"]) == 1
    assert named_by(name, ["bert"]) is None
    assert not is_pseudonym("erased:by-hand")
