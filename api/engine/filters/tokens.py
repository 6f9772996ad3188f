"""The words of a filter, each with the column it starts at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from graph.errors import InputError

Kind: TypeAlias = Literal["name", "keyword", "number", "string", "sign", "end"]

KEYWORDS = frozenset({"and", "or", "not", "in", "under", "exists", "true", "false"})
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<quoted>`[^`]+`)
      | (?P<name>[^\W\d]\w*)
      | (?P<sign><=|>=|!=|<>|==|[=<>(),])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class FilterError(InputError):
    """A filter that cannot be read, or that names what the graph does not have; ``column`` counts from 1."""

    field = "filter"

    def __init__(self, what: str, *, column: int, **details: Any) -> None:
        self.column = column
        super().__init__(what, where=f"column {column}", **details)


@dataclass(frozen=True, slots=True)
class Token:
    """One word; ``text`` is what it says: a string without its quotes, a keyword in lower case."""

    kind: Kind
    text: str
    column: int

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end"
        return repr(self.text) if self.kind != "string" else f'the text "{self.text}"'


def tokens_of(text: str) -> list[Token]:
    """The words of a filter, an end mark last.

    Raises:
        FilterError: at the first character that begins no word.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FilterError("the filter cannot be read", column=at + 1, **_nothing_begins(text[at]))
        token = _token(match, at + 1)
        if token is not None:
            found.append(token)
        at = match.end()
    return [*found, Token("end", "", len(text) + 1)]


def _token(match: re.Match[str], column: int) -> Token | None:
    word = match[0]
    if match.lastgroup == "space":
        return None
    if match.lastgroup == "string":
        return Token("string", _ESCAPE.sub(r"\1", word[1:-1]), column)
    if match.lastgroup == "quoted":
        return Token("name", word[1:-1], column)
    if match.lastgroup == "name":
        return Token("keyword", word.lower(), column) if word.lower() in KEYWORDS else Token("name", word, column)
    if match.lastgroup == "number":
        return Token("number", word, column)
    return Token("sign", {"==": "=", "<>": "!="}.get(word, word), column)


def _nothing_begins(character: str) -> dict[str, str]:
    if character in "\"'`":
        return {"expected": f"a closing {character}", "got": "the end"}
    if character.isdigit() or character == "-":
        return {"expected": "a number such as 20 or 1.5", "got": character}
    return {"expected": "a name, a value, a comparison or a parenthesis", "got": character}
