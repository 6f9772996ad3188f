"""Options that several commands have, and the settings in force with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.settings import Settings, load_settings

StoreOption = Annotated[str | None, typer.Option("--store", help="Graph store URL; default KINDRED_STORE.")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Folder of data; default KINDRED_DATA_DIR.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]


def settings_with(**overrides: Any) -> Settings:
    """The settings in force, with the options that were given."""
    return load_settings(**{name: value for name, value in overrides.items() if value is not None})
