"""The Grafana dashboard asks for nothing that a running server does not tell."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.http_world import running

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "kindred.json"
ASKED_FOR = ("requests", "time to answer", "fallbacks", "stale", "cache", "source", "events")
NAME = re.compile(r"\bkindred_\w+")
LABELS = re.compile(r"(kindred_\w+)\{([^}]*)\}")


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The samples of a server that has answered a little, with the names of their labels."""

    async def scenario() -> str:
        async with running(tmp_path_factory.mktemp("world")) as world:
            event = {"user_id": "new", "item_id": "i0", "kind": "purchase"}
            assert (await world.client.post("/v1/events", json=event)).status_code == 200
            for path in ("/v1/users/nobody/recommendations", "/v1/items/i0/related", "/v1/items/i0/related"):
                assert (await world.get(path)).status_code == 200
            return (await world.get("/metrics")).text

    families = list(text_string_to_metric_families(asyncio.run(scenario())))
    samples: dict[str, set[str]] = {}
    for family in families:
        samples[f"{family.name}_total" if family.type == "counter" else family.name] = set()
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def expressions(dashboard: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    return asked + variables + [note["expr"] for note in dashboard["annotations"]["list"]]


def test_every_metric_and_label_it_names_exists(dashboard: dict[str, Any], told: dict[str, set[str]]) -> None:
    named = {name for expression in expressions(dashboard) for name in NAME.findall(expression)}
    assert len(named) >= 10
    assert not named - set(told)
    for expression in expressions(dashboard):
        for name, matchers in LABELS.findall(expression):
            labels = set(re.findall(r"(\w+)\s*=~?", matchers)) - {"job", "instance"}
            assert not told[name] or labels <= told[name], expression


def test_every_metric_of_the_server_is_on_it(dashboard: dict[str, Any], told: dict[str, set[str]]) -> None:
    named = {name for expression in expressions(dashboard) for name in NAME.findall(expression)}
    ours = {name for name in told if name.startswith("kindred_") and not name.endswith(("_created", "_sum", "_count"))}
    assert {re.sub(r"_bucket$", "", name) for name in ours} <= {re.sub(r"_bucket$", "", name) for name in named}


def test_it_has_a_panel_for_everything_that_is_asked_for(dashboard: dict[str, Any]) -> None:
    titles = " ".join(f"{panel['title']} {panel['description']}" for panel in dashboard["panels"]).lower()
    assert all(word in titles for word in ASKED_FOR)
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)


def test_no_two_panels_overlap(dashboard: dict[str, Any]) -> None:
    cells = [
        (column, row)
        for panel in dashboard["panels"]
        for place in [panel["gridPos"]]
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24
