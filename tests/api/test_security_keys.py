"""Keys and scopes by themselves: what is kept, what ends, who may do what."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.security.keys import KeyFile
from api.security.scopes import Scope, required_scope, scopes_named
from graph.errors import InputError, NotFound, SettingsError


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> KeyFile:
    monkeypatch.setattr("api.security.keys._LOOK_AGAIN_S", 0.0)
    return KeyFile(tmp_path / "keys.json", clock=clock)


def test_a_key_is_known_by_its_text_and_kept_as_a_hash_that_only_the_owner_reads(keys: KeyFile, tmp_path: Path) -> None:
    key, text = keys.create("storefront", frozenset({Scope.READER}))
    assert keys.known(text) is None
    assert keys.verify(text) == key
    assert keys.known(text) == key
    kept = (tmp_path / "keys.json").read_text()
    assert text.split("_", 2)[2] not in kept  # a secret may have more underscores, and a short rest may stand anywhere
    assert text not in kept
    assert "$argon2id$" in kept
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


@given(text=st.text())
def test_no_other_text_is_a_key(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert KeyFile(tmp_path_factory.getbasetemp() / "none.json").verify(text) is None


def test_a_changed_secret_or_id_is_not_the_key(keys: KeyFile) -> None:
    key, text = keys.create("a", frozenset({Scope.READER}))
    other, _ = keys.create("b", frozenset({Scope.OPERATOR}))
    assert keys.verify(text[:-1] + ("a" if text[-1] != "a" else "b")) is None
    assert keys.verify(text.replace(key.key_id, other.key_id)) is None
    assert keys.verify(text + "x") is None
    assert keys.verify("") is None


def test_an_expired_key_is_not_known_any_more(keys: KeyFile, clock: Clock) -> None:
    _, text = keys.create("a", frozenset({Scope.READER}), lifetime_s=60)
    assert keys.verify(text)
    clock.now += 61
    assert keys.known(text) is None
    assert keys.verify(text) is None


def test_a_rotated_key_goes_on_for_its_grace_and_its_successor_after_it(keys: KeyFile, clock: Clock) -> None:
    old, old_text = keys.create("a", frozenset({Scope.READER, Scope.EVENTS}))
    new, new_text = keys.rotate(old.key_id, grace_s=3600)
    assert new.scopes == old.scopes
    assert keys.verify(old_text)
    assert keys.verify(new_text)
    clock.now += 3601
    assert keys.verify(old_text) is None
    assert keys.verify(new_text) == new


def test_a_revoked_key_ends_for_every_process_that_reads_the_file(keys: KeyFile, tmp_path: Path, clock: Clock) -> None:
    server = KeyFile(tmp_path / "keys.json", clock=clock)
    key, text = keys.create("a", frozenset({Scope.READER}))
    assert server.verify(text)
    keys.revoke(key.key_id)
    assert server.known(text) is None
    assert server.verify(text) is None
    with pytest.raises(NotFound):
        keys.revoke(key.key_id)


def test_a_damaged_file_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"key_id": "x"}]')
    with pytest.raises(SettingsError, match=r"keys\.json.*backup"):
        KeyFile(tmp_path / "keys.json").list()


def test_scopes_are_read_by_name() -> None:
    assert scopes_named("reader, events") == {Scope.READER, Scope.EVENTS}
    for wrong in ("", "reader,root", ","):
        with pytest.raises(InputError):
            scopes_named(wrong)


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/live", None),
        ("GET", "/problems/not-found", None),
        ("GET", "/curator/guide.html", None),
        ("OPTIONS", "/v1/items/1", None),
        ("POST", "/live", Scope.OPERATOR),
        ("GET", "/liveness", Scope.READER),
        ("GET", "/", Scope.READER),
        ("GET", "/v1/users/1/recommendations", Scope.READER),
        ("POST", "/v1/recommendations", Scope.READER),
        ("POST", "/v1/what-if", Scope.READER),
        ("POST", "/v1/events", Scope.EVENTS),
        ("PUT", "/v1/items/1", Scope.CURATOR),
        ("DELETE", "/v1/edges", Scope.CURATOR),
        ("PUT", "/v1/rules", Scope.CURATOR),
        ("GET", "/v1/rules", Scope.READER),
        ("GET", "/metrics", Scope.OPERATOR),
        ("GET", "/v1/users/1/export", Scope.OPERATOR),
        ("DELETE", "/v1/users/1", Scope.OPERATOR),
        ("POST", "/v1/models/r1/activate", Scope.OPERATOR),
        ("POST", "/v1/anything/new", Scope.OPERATOR),
    ],
)
def test_what_each_route_needs(method: str, path: str, needed: Scope | None) -> None:
    assert required_scope(method, path) == needed


@given(method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), path=st.text().map(lambda text: "/" + text))
def test_nothing_is_changed_without_a_key(method: str, path: str) -> None:
    assert required_scope(method, path) is not None
