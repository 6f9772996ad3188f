"""Concurrent editors of the catalogue: against a model, a conditional write succeeds exactly when nobody was faster."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from api.knowledge.catalogue import Catalogue, Condition, PostedItem, WriteReply
from graph.errors import Conflict, NotFound
from graph.store import open_store
from tests.api.http_world import SHOP

IDS = st.sampled_from(["a", "b", "袋/1"])
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["Lamp", "Mug"]),
        "price": st.sampled_from([1.0, 2.5]),
        "tags": st.sampled_from([[], ["x", "y"]]),
    },
)
RELATIONS = st.fixed_dictionaries({}, optional={"HAS_BRAND": st.lists(st.sampled_from(["nivea", "dove"]), max_size=2)})


class Editors(RuleBasedStateMachine):
    """Several editors with etags they once read; ``items`` is what the catalogue should hold."""

    etags = Bundle("etags")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(f"sqlite:{Path(self.folder.name) / 'graph.db'}")
        self.store.ensure_schema(SHOP)
        self.catalogue = Catalogue(self.store)
        self.items: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def current(self, item_id: str) -> str | None:
        try:
            return self.catalogue.item(item_id).etag
        except NotFound:
            return None

    def write(self, item_id: str, condition: Condition, work: Any, after: dict[str, Any] | None) -> WriteReply | None:
        before = self.current(item_id)
        allowed = (
            condition.etags is None or before in condition.etags or ("*" in condition.etags and before is not None)
        )
        if condition.must_be_new and before is not None:
            allowed = False
        try:
            written = work()
        except Conflict:
            assert not allowed
            return None
        assert allowed
        if after is None:
            self.items.pop(item_id, None)
        else:
            self.items[item_id] = after
        return written

    @rule(target=etags, item_id=IDS)
    def read(self, item_id: str) -> Any:
        etag = self.current(item_id)
        assert (etag is None) == (item_id not in self.items)
        return multiple() if etag is None else (item_id, etag)

    @rule(item_id=IDS, properties=PROPERTIES, relations=RELATIONS, new=st.booleans())
    def put(self, item_id: str, properties: Any, relations: Any, new: bool) -> None:
        self._put(item_id, Condition(None, new), properties, relations)

    @rule(read=etags, properties=PROPERTIES, relations=RELATIONS)
    def put_what_was_read(self, read: tuple[str, str], properties: Any, relations: Any) -> None:
        self._put(read[0], Condition((read[1],)), properties, relations)

    @rule(read=etags, properties=PROPERTIES, removed=st.booleans())
    def patch_what_was_read(self, read: tuple[str, str], properties: Any, removed: bool) -> None:
        item_id, condition = read[0], Condition((read[1],))
        asked = {**properties, **({"price": None} if removed else {})}
        known = self.items.get(item_id, {"properties": {}, "relations": {}})
        merged = {name: value for name, value in {**known["properties"], **asked}.items() if value is not None}
        after = {"properties": merged, "relations": known["relations"]}
        self.write(
            item_id, condition, lambda: self.catalogue.put(item_id, PostedItem(asked), condition, merge=True), after
        )

    @rule(read=etags)
    def delete_what_was_read(self, read: tuple[str, str]) -> None:
        condition = Condition((read[1],))
        self.write(read[0], condition, lambda: self.catalogue.delete(read[0], condition), None)

    @rule(item_id=IDS)
    def delete(self, item_id: str) -> None:
        self.write(item_id, Condition(), lambda: self.catalogue.delete(item_id, Condition()), None)

    def _put(self, item_id: str, condition: Condition, properties: Any, relations: Any) -> None:
        known = self.items.get(item_id, {"relations": {}})["relations"]
        ends = {**known, **{relation: sorted(set(ids)) for relation, ids in relations.items()}}
        after = {"properties": properties, "relations": {relation: ids for relation, ids in ends.items() if ids}}
        posted = PostedItem(properties, relations)
        written = self.write(
            item_id, condition, lambda: self.catalogue.put(item_id, posted, condition, merge=False), after
        )
        if written is not None:
            again = self.catalogue.put(item_id, posted, Condition(), merge=False)
            assert again.changed == 0
            assert again.etag == written.etag == self.current(item_id)

    @invariant()
    def the_catalogue_holds_what_was_written(self) -> None:
        for item_id, expected in self.items.items():
            found = self.catalogue.item(item_id)
            assert found.properties == expected["properties"]
            assert found.relations == expected["relations"]


TestEditors = Editors.TestCase
TestEditors.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)


@pytest.mark.parametrize("header", ['"1-x"', "x", ""])
def test_an_etag_that_is_none_of_ours_is_a_conflict(tmp_path: Path, header: str) -> None:
    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        store.ensure_schema(SHOP)
        catalogue = Catalogue(store)
        catalogue.put("a", PostedItem({"title": "Lamp"}), Condition(), merge=False)
        with pytest.raises(Conflict):
            catalogue.put("a", PostedItem(), Condition.of(header, None), merge=False)
        assert catalogue.item("a").properties == {"title": "Lamp"}
