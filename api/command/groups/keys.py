"""``kindred keys``: create, list, rotate, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from api.command.options import JsonOption, settings_with
from api.command.terminal import output, print_json, print_rows
from api.security import Scope

if TYPE_CHECKING:
    from api.security import ApiKey, KeyFile

keys_group = typer.Typer(no_args_is_help=True, help="API keys: create, list, rotate, revoke.")

KeyIdArgument = Annotated[str, typer.Argument(help="The key's id, as `kindred keys list` shows it.")]
_HOUR_S, _DAY_S = 3600, 86_400


@keys_group.command("create")
def keys_create(
    name: Annotated[str, typer.Option("--name", help="Who uses it.")],
    scope: Annotated[str, typer.Option("--scope", help="By comma: " + ", ".join(Scope) + ".")] = Scope.READER,
    days: Annotated[int | None, typer.Option("--days", min=1, help="Days until it expires. Default: never.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it; only its hash is kept, so it cannot be shown again.

    Example: kindred keys create --name storefront --scope reader,events
    """

    from api.security.scopes import scopes_named

    lifetime_s = None if days is None else days * _DAY_S
    _show(*_file().create(name, scopes_named(scope), lifetime_s=lifetime_s), as_json)


@keys_group.command("list")
def keys_list(as_json: JsonOption = False) -> None:
    """List keys without their secrets.

    Example: kindred keys list
    """
    keys = _file().list()
    if as_json:
        print_json([_described(key) for key in keys])
        return
    rows = [
        (key.key_id, key.name, ", ".join(sorted(key.scopes)), _day(key.created_s), _day(key.expires_s)) for key in keys
    ]
    print_rows(("key", "name", "scopes", "created", "expires"), rows)


@keys_group.command("rotate")
def keys_rotate(
    key_id: KeyIdArgument,
    grace_hours: Annotated[int, typer.Option("--grace-hours", min=0, help="Hours the old key goes on.")] = 24,
    as_json: JsonOption = False,
) -> None:
    """Make a key in place of another, which goes on for a while.

    Example: kindred keys rotate 0123456789ab --grace-hours 48
    """
    _show(*_file().rotate(key_id, grace_s=grace_hours * _HOUR_S), as_json)


@keys_group.command("revoke")
def keys_revoke(key_id: KeyIdArgument, as_json: JsonOption = False) -> None:
    """End a key; servers follow within a second.

    Example: kindred keys revoke 0123456789ab
    """
    _file().revoke(key_id)
    print_json({"revoked": key_id}) if as_json else output.print(f"key {key_id} is revoked")


def _file() -> KeyFile:
    from api.security import KeyFile

    return KeyFile(settings_with().keys)


def _show(key: ApiKey, text: str, as_json: bool) -> None:
    if as_json:
        print_json(_described(key) | {"key": text})
        return
    output.print(f"key {key.key_id} for {key.name}: {', '.join(sorted(key.scopes))}", markup=False)
    output.print("It is shown this once; only its hash is kept:")
    output.print(text, markup=False, soft_wrap=True)


def _described(key: ApiKey) -> dict[str, object]:
    return {name: value for name, value in key.to_json().items() if name != "secret_hash"}


def _day(seconds: int | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
