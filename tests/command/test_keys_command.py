"""``kindred keys``: made, listed, rotated, revoked."""

from __future__ import annotations

from pathlib import Path

from api.security import KeyFile
from tests.command.small_shop import kindred_in


def test_keys_are_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    made = kindred_in(tmp_path, "keys", "create", "--name", "[front]", "--scope", "reader,events", "--json").json
    (listed,) = kindred_in(tmp_path, "keys", "list", "--json").json
    assert listed["scopes"] == ["events", "reader"]
    assert "secret_hash" not in made.keys() | listed.keys()
    assert "key" not in listed
    rotated = kindred_in(tmp_path, "keys", "rotate", made["key_id"], "--json").json
    file = KeyFile(tmp_path / "var" / "keys.json")
    assert {file.verify(text).name for text in (made["key"], rotated["key"])} == {"[front]"}  # type: ignore[union-attr]
    assert kindred_in(tmp_path, "keys", "revoke", made["key_id"]).code == 0
    assert [row["key_id"] for row in kindred_in(tmp_path, "keys", "list", "--json").json] == [rotated["key_id"]]
    assert "[front]" in kindred_in(tmp_path, "keys", "list").out


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    assert kindred_in(tmp_path, "keys", "create", "--name", "a", "--scope", "root").code == 3
    assert kindred_in(tmp_path, "keys", "create", "--name", " ").code == 3
    assert kindred_in(tmp_path, "keys", "revoke", "none").code == 4
