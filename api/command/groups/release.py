"""``kindred release``: list, activate, roll back."""

from __future__ import annotations

from typing import Annotated

import typer

from api.command.options import JsonOption, settings_with
from api.command.terminal import output, print_json, print_releases
from graph.release import activate, list_releases, rollback

release_group = typer.Typer(no_args_is_help=True, help="Releases: list, activate, roll back.")


@release_group.command("list")
def release_list(as_json: JsonOption = False) -> None:
    """List releases, newest first.

    Example: kindred release list
    """
    infos = list_releases(settings_with().releases)
    print_json([info.to_json() for info in infos]) if as_json else print_releases(infos)


@release_group.command("activate")
def release_activate(
    release_id: Annotated[str, typer.Argument(help="The release's id.")], as_json: JsonOption = False
) -> None:
    """Make a release the current one; it is verified first.

    Example: kindred release activate 20261122T051200Z-0123456789abcdef
    """
    activate(settings_with().releases, release_id)
    print_json({"current": release_id}) if as_json else output.print(f"release {release_id} is current")


@release_group.command("rollback")
def release_rollback(as_json: JsonOption = False) -> None:
    """Go back to the release that was current before.

    Example: kindred release rollback
    """
    release_id = rollback(settings_with().releases)
    print_json({"current": release_id}) if as_json else output.print(f"release {release_id} is current again")
