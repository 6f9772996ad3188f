"""Liveness, readiness, metrics, pages, problems, settings, and what importing costs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from api.http.problems import PROBLEMS, problem_kind
from api.server import check_address
from api.settings import load_settings
from graph import errors
from graph.errors import KindredError, SettingsError
from tests.api.http_world import World, run, running


def in_world(folder: Path, scenario, **settings) -> None:
    async def body() -> None:
        async with running(folder, **settings) as world:
            await scenario(world)

    run(body())


def test_before_the_first_release_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert (await world.get("/live")).status_code == 200
        for path in ("/ready", "/v1/trending", "/v1/users/u/recommendations", "/v1/graph/nodes/Item/i0/neighbors"):
            reply = await world.get(path)
            assert reply.status_code == 503
            assert "kindred train" in reply.json()["detail"]
            assert reply.headers["retry-after"]
        assert (await world.get("/v1/models")).json()["serving"] is None
        assert "kindred train" in (await world.get("/")).text
        world.releases.current = "r1"
        await world.until(lambda: world.parts.serving.found is not None)
        assert (await world.get("/ready")).json() == {"release": "r1", "stale": False, "status": "ready"}

    in_world(tmp_path, scenario, ready=False)


def test_models_show_releases_with_their_verdicts(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        document = (await world.get("/v1/models")).json()
        assert document["serving"] == "r1"
        assert document["models"][0] == {
            "release": "r1",
            "trained_at": "2026-11-22T00:00:00+00:00",
            "current": True,
            "metrics": {"ndcg@20": 0.1},
            "gate": {"promoted": True},
        }

    in_world(tmp_path, scenario)


def test_metrics_and_logs_hold_no_ids(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with structlog.testing.capture_logs() as lines:
            await world.get("/v1/users/canary-user-7/recommendations")
            await world.get("/v1/users/canary-user-7/nothing")
            await world.get("/v1/items/canary-item-7/related")
            await world.post("/v1/events", {"user_id": "canary-user-7", "item_id": "i0", "kind": "purchase"})
            await world.post("/v1/events", {"user_id": "canary-user-7", "item_id": "i0", "kind": "canary-kind"})
        metrics = (await world.get("/metrics")).text
        assert (
            'kindred_requests_total{method="GET",route="/v1/users/{user_id}/recommendations",status="200"} 1.0'
            in metrics
        )
        assert 'kindred_events_total{outcome="accepted"} 1.0' in metrics
        assert "canary" not in metrics
        assert len(lines) == 5
        assert "canary" not in json.dumps(lines)

    in_world(tmp_path, scenario)


def test_titles_of_problems_can_be_fetched(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for kind in PROBLEMS.values():
            document = (await world.get(kind.type)).json()
            assert document["status"] == kind.status
            assert document["what_to_do"]
        assert (await world.get("/problems/none")).status_code == 404

    in_world(tmp_path, scenario)


WRONG = [
    ("GET", "/nothing", 404),
    ("GET", "/v1/users//recommendations", 422),
    ("POST", "/v1/trending", 405),
    ("DELETE", "/v1/events", 405),
    ("GET", "/v1/events", 405),
    ("BREW", "/v1/events", 405),
]


def test_wrong_paths_and_methods_are_problems(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for method, path, status in WRONG:
            reply = await world.client.request(method, path)
            assert reply.status_code == status, path
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json()["status"] == status
            if status == 405:
                assert reply.headers["allow"]

    in_world(tmp_path, scenario)


def test_a_mistake_of_ours_is_a_500_that_says_nothing_of_its_inside(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("secret detail")

        world.parts.serving.live.engine.trending = broken
        reply = await world.get("/v1/trending")
        assert reply.status_code == 500
        assert reply.json()["type"] == "/problems/internal"
        assert "secret" not in reply.text
        assert reply.json()["request_id"] == reply.headers["x-request-id"]

    in_world(tmp_path, scenario)


def test_every_error_of_the_tree_has_a_status() -> None:
    tree = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, KindredError)]
    assert len(tree) >= 12
    for error in tree:
        assert 400 <= problem_kind(error).status < 600
    assert problem_kind(errors.MappingError).status == 422
    assert problem_kind(errors.StoreUnavailable).status == 503
    assert problem_kind(ZeroDivisionError).status == 500
    slugs = [kind.slug for kind in PROBLEMS.values()]
    assert len(slugs) == len(set(slugs))


def test_importing_the_application_imports_no_training_framework() -> None:
    unwanted = ("torch", "torch_geometric", "sentence_transformers", "neo4j", "sqlite3")
    code = f"import sys, api.app; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_settings_come_from_arguments_then_variables_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kindred.toml").write_text('port = 9001\nstore = "sqlite:a.db"\nlog_level = "error"\n')
    monkeypatch.setenv("KINDRED_STORE", "sqlite:b.db")
    monkeypatch.setenv("KINDRED_LOG_LEVEL", "warning")
    settings = load_settings(log_level="debug")
    assert (settings.port, settings.store, settings.log_level) == (9001, "sqlite:b.db", "debug")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KINDRED_PORT", "eighty", "KINDRED_PORT"),
        ("KINDRED_PORT", "70000", "KINDRED_PORT"),
        ("KINDRED_WORKERS", "0", "KINDRED_WORKERS"),
        ("KINDRED_HOST", "0.0.0.0", "KINDRED_AUTH"),
        ("KINDRED_AUTH", "maybe", "KINDRED_AUTH"),
        ("KINDRED_RATE_LIMIT", "often", "KINDRED_RATE_LIMIT"),
        ("KINDRED_READ_DEADLINE_S", "nan", "KINDRED_READ_DEADLINE_S"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_without_keys_the_server_stays_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(host="::1").host == "::1"
    assert load_settings(host="0.0.0.0", auth="on").host == "0.0.0.0"
    with pytest.raises(SettingsError, match="kindred keys create"):
        load_settings(host="shop.example", auth="off")


@pytest.mark.parametrize("text", ["port = ", "prot = 8000\n", "port = [1]\n", "\xff"])
def test_a_settings_file_with_a_mistake_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kindred.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"kindred\.toml"):
        load_settings()


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} is taken.*KINDRED_PORT"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)
