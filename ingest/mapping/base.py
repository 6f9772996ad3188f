"""What every part of a mapping shares: strictness, and regular expressions checked when they are read."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints


class Part(BaseModel):
    """A part of a mapping: unknown keys are errors, because a typing slip must not pass for a setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _checked_regex(pattern: str) -> str:
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise ValueError(f"not a usable RE2 regular expression: {error}") from error
    return pattern


def _as_text(value: object) -> object:
    # YAML reads `1:` as a number and `NO:` as a boolean; keys and constants are compared with cells, so text.
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def _as_text_keys(value: object) -> object:
    return {_as_text(key): entry for key, entry in value.items()} if isinstance(value, dict) else value


def _as_list(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


Regex: TypeAlias = Annotated[str, AfterValidator(_checked_regex)]
"""An RE2 expression: no backtracking, so no input can make it hang."""

Text: TypeAlias = Annotated[str, BeforeValidator(_as_text)]
ColumnName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]

TEXT_KEYS = BeforeValidator(_as_text_keys)
ONE_OR_MANY = BeforeValidator(_as_list)
