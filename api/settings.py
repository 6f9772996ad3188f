"""Settings of the server and the command: ``KINDRED_*`` variables, then ``kindred.toml``, then defaults."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from graph.errors import SettingsError

SETTINGS_FILE = Path("kindred.toml")


class Settings(BaseSettings):
    """What the server runs with. Build it with :func:`load_settings`, in ``main`` and nowhere else."""

    model_config = SettingsConfigDict(
        env_prefix="KINDRED_", extra="forbid", frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    store: str = "sqlite:var/graph.db"
    """URL of the graph store."""
    releases: Path = Path("var/releases")
    """Folder of releases, with the CURRENT pointer."""
    rules: Path | None = None
    """File of the shop's rules; by default rules.json beside the folder of releases."""
    work_dir: Path = Path("var")
    """Folder of caches, staged ingests, quarantine files and results."""
    data_dir: Path | None = None
    """Folder of the public data sets that sources read."""
    neo4j_home: Path = Path("var/neo4j")
    """Folder of the Neo4j server that ``kindred neo4j`` runs, with its ``connection.json``."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    auth: Literal["on", "off"] = "on"
    """``off`` answers everybody without a key, on this machine only."""
    keys: Path = Path("var/keys.json")
    """File of API keys, hashed; ``kindred keys`` makes them."""
    rate_limit: str = "6000/minute"
    """What one key may ask, per worker process, as ``N/second`` or ``N/minute``."""
    cors_origins: tuple[str, ...] = ()
    """Web origins whose pages may ask from a browser."""
    workers: int = Field(default=1, ge=1, le=64)
    backlog: int = Field(default=1024, ge=128)
    backpressure: int = Field(default=256, ge=1)
    """Requests one worker holds at once; further connections wait in the backlog."""
    header_timeout_s: float = Field(default=5.0, gt=0, le=60)
    body_timeout_s: float = Field(default=5.0, gt=0, le=60)
    body_limit_bytes: int = Field(default=1 << 20, ge=1024)

    read_deadline_s: float = Field(default=0.8, gt=0)
    explain_deadline_s: float = Field(default=5.0, gt=0)
    """For explanations, what-if and profiles, which ask for several lists."""
    write_deadline_s: float = Field(default=0.8, gt=0)
    engine_threads: int = Field(default=2, ge=1, le=64)
    engine_waiting: int = Field(default=64, ge=1)
    """Answers that may wait for an engine thread; more are shed with 503."""
    events_waiting: int = Field(default=1024, ge=1)
    """Event requests that may wait for the store; more are shed with 503."""

    answer_cache_megabytes: int = Field(default=16, ge=0, le=4096)
    """Per worker, for answers asked again before anything changed; 0 keeps none."""

    attribution_days: float = Field(default=30.0, gt=0)
    attribution_megabytes: float = Field(default=256.0, ge=16)
    """How long, and how much of, what was recommended is kept for ``kindred report``."""

    poll_interval_s: float = Field(default=1.0, gt=0)
    """How often the store's changes and the CURRENT pointer are looked at."""
    edits_interval_s: float = Field(default=0.25, gt=0)
    """How often a store that people edit by hand is asked whether they did."""
    stale_after_s: float = Field(default=3.0, gt=0)
    """Answers are marked stale when the store has not been read for this long."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @model_validator(mode="after")
    def _asks_for_keys_beyond_this_machine(self) -> Self:
        if self.auth == "off" and not _is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached by others, and KINDRED_AUTH=off asks nobody for a key; "
                "use 127.0.0.1, or leave KINDRED_AUTH on and make keys with kindred keys create"
            )
        return self

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, text: str) -> str:
        from api.security.rates import rate_of

        rate_of(text)
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, SETTINGS_FILE)


def given_folder(settings: Settings) -> Path:
    """Where what was recommended is kept."""
    return settings.work_dir / "given"


def load_settings(**overrides: Any) -> Settings:
    """The settings in force: ``overrides``, then the environment, then ``kindred.toml`` in this folder.

    Raises:
        SettingsError: naming the setting that cannot be used.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        where = f"KINDRED_{name.upper()} or {SETTINGS_FILE}" if name else None
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(
            f"setting {name} cannot be used: {reason}" if name else reason,
            got=None if first["type"] == "value_error" else first["input"],
            where=where,
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"the settings file cannot be read: {error}", where=str(SETTINGS_FILE)) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
