"""From the text of a filter to its tree: recursive descent, one function per line of the grammar.

::

    filter     = all { "or" all }
    all        = term { "and" term }
    term       = "not" term | "(" filter ")" | "exists" name | name predicate
    predicate  = comparison value | [ "not" ] ( "in" | "under" ) values
    values     = value | "(" value { "," value } ")"
"""

from __future__ import annotations

import math
from typing import cast

from api.engine.filters.syntax import (
    All,
    Among,
    Compare,
    Comparison,
    Exists,
    Expression,
    Name,
    Not,
    Scalar,
    Some,
    Under,
    Value,
)
from api.engine.filters.tokens import FilterError, Token, tokens_of

MAX_CHARACTERS = 4_000
MAX_DEPTH = 32
MAX_VALUES = 500
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


def parse(text: str) -> Expression:
    """The tree of a filter.

    Raises:
        FilterError: with the column, and what was expected there.
    """
    if len(text) > MAX_CHARACTERS:
        raise FilterError(
            "the filter is too long",
            column=MAX_CHARACTERS + 1,
            expected=f"at most {MAX_CHARACTERS:,} characters",
            got=f"{len(text):,}",
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError("the filter is not valid text", column=1, expected="Unicode without lone surrogates")
    parser = _Parser(tokens_of(text))
    expression = parser.any_of(0)
    parser.end()
    return expression


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._values = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _taken(self, kind: str, *texts: str) -> Token | None:
        """The next word if it is of this kind and says one of these, moved past; else ``None``."""
        token = self._next
        if token.kind != kind or (texts and token.text not in texts):
            return None
        self._at += 1
        return token

    def _refuse(self, expected: str) -> FilterError:
        token = self._next
        return FilterError("the filter cannot be read", column=token.column, expected=expected, got=str(token))

    def end(self) -> None:
        if self._next.kind != "end":
            raise self._refuse('"and", "or" or the end')

    def any_of(self, depth: int) -> Expression:
        parts = [self._all_of(depth)]
        while self._taken("keyword", "or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _all_of(self, depth: int) -> Expression:
        parts = [self._term(depth)]
        while self._taken("keyword", "and"):
            parts.append(self._term(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _term(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise FilterError(
                "the filter is nested too deeply", column=self._next.column, expected=f"at most {MAX_DEPTH} levels"
            )
        if self._taken("keyword", "not"):
            return Not(self._term(depth + 1))
        if self._taken("sign", "("):
            inner = self.any_of(depth + 1)
            if not self._taken("sign", ")"):
                raise self._refuse('"and", "or" or ")"')
            return inner
        if self._taken("keyword", "exists"):
            return Exists(self._name("the name of a property or relation"))
        return self._predicate(self._name('a name, "not", "exists" or "("'))

    def _name(self, expected: str) -> Name:
        token = self._taken("name")
        if token is None:
            raise self._refuse(expected)
        return Name(token.text, token.column)

    def _predicate(self, name: Name) -> Expression:
        sign = self._taken("sign", *_COMPARISONS)
        if sign is not None:
            return Compare(name, cast(Comparison, sign.text), self._value())
        negated = self._taken("keyword", "not") is not None
        word = self._taken("keyword", "in", "under")
        if word is None:
            raise self._refuse('"in" or "under"' if negated else '= != < <= > >=, "in" or "under"')
        several = Among if word.text == "in" else Under
        expression = several(name, self._several(word.text))
        return Not(expression) if negated else expression

    def _several(self, word: str) -> tuple[Value, ...]:
        if not self._taken("sign", "("):
            if word == "in":
                raise self._refuse('"(" and a list of values')
            return (self._value(),)
        values = [self._value()]
        while self._taken("sign", ","):
            values.append(self._value())
        if not self._taken("sign", ")"):
            raise self._refuse('"," or ")"')
        return tuple(values)

    def _value(self) -> Value:
        token = self._next
        self._values += 1
        if self._values > MAX_VALUES:
            raise FilterError(
                "the filter has too many values", column=token.column, expected=f"at most {MAX_VALUES} values"
            )
        scalar: Scalar
        if self._taken("string"):
            scalar = token.text
        elif self._taken("number"):
            scalar = _number(token)
        elif self._taken("keyword", "true", "false"):
            scalar = token.text == "true"
        else:
            raise self._refuse('a value: "text" in quotes, a number, true or false')
        return Value(scalar, token.column)


def _number(token: Token) -> int | float:
    try:
        return int(token.text)
    except ValueError:
        number = float(token.text)
    if not math.isfinite(number):
        raise FilterError("a number is out of range", column=token.column, expected="a finite number", got=token.text)
    return number


__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_VALUES", "FilterError", "parse"]
