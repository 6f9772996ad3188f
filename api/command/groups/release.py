"""``kindred release``: list, activate, roll back, publish."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from api.command.options import JsonOption, StoreOption, settings_with
from api.command.terminal import output, print_json, print_releases
from graph.errors import SettingsError

release_group = typer.Typer(no_args_is_help=True, help="Releases: list, activate, roll back, publish.")


@release_group.command("list")
def release_list(as_json: JsonOption = False) -> None:
    """List releases, newest first.

    Example: kindred release list
    """

    from graph.release import list_releases

    infos = list_releases(settings_with().releases)
    print_json([info.to_json() for info in infos]) if as_json else print_releases(infos)


@release_group.command("activate")
def release_activate(
    release_id: Annotated[str, typer.Argument(help="The release's id.")], as_json: JsonOption = False
) -> None:
    """Make a release the current one; it is verified first.

    Example: kindred release activate 20261122T051200Z-0123456789abcdef
    """

    from graph.release import activate

    activate(settings_with().releases, release_id)
    print_json({"current": release_id}) if as_json else output.print(f"release {release_id} is current")


@release_group.command("rollback")
def release_rollback(as_json: JsonOption = False) -> None:
    """Go back to the release that was current before.

    Example: kindred release rollback
    """

    from graph.release import rollback

    release_id = rollback(settings_with().releases)
    print_json({"current": release_id}) if as_json else output.print(f"release {release_id} is current again")


@release_group.command("publish")
def release_publish(
    store: StoreOption = None,
    similar_to: Annotated[
        int, typer.Option("--similar-to", min=0, max=100, help="Also write SIMILAR_TO edges to so many items of each.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write the current release's item and user embeddings into Neo4j, for curators to search.

    Example: kindred release publish --similar-to 10
    """

    from api.command.workshop import opened
    from api.curator.publishing import publication_of
    from graph.embeddings import PublishesEmbeddings
    from graph.release import current_release

    settings = settings_with(store=store)
    release = current_release(settings.releases)
    with opened(settings) as graph:
        if not isinstance(graph, PublishesEmbeddings):
            raise SettingsError(
                "embeddings can only be published to Neo4j",
                expected="a store with vector indexes",
                got=graph.url,
                remedy="Set KINDRED_STORE or --store to neo4j://…; docs/neo4j.md says how to start one.",
            )
        published = graph.publish(publication_of(release, neighbors=similar_to))
    if as_json:
        print_json(asdict(published))
        return
    output.print(
        f"release {published.release_id}: {published.items:,} items and {published.users:,} users with the vectors of "
        f"{published.model}, {published.neighbors:,} SIMILAR_TO edges"
    )
