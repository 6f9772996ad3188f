"""Words: the same however they are typed, in spaced and unspaced scripts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.engine.finding.words import asked_words, folded, words_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Crème Brûlée", "creme brulee"),
        ("ＮＩＶＥＡ　１００ｍｌ", "nivea 100ml"),
        ("STRASSE", "straße"),
        ("Women's", "womens"),
        ("Mugs", "mug"),
        ("batteries", "battery"),
        ("dresses", "dresse"),
    ],
)
def test_the_same_word_in_other_clothes_is_the_same(one: str, other: str) -> None:
    assert words_of(one) == words_of(other)


@pytest.mark.parametrize("word", ["glass", "bus", "gas", "aes"])
def test_what_only_looks_like_a_plural_stays(word: str) -> None:
    assert words_of(word) == [word]


def test_chinese_is_cut_into_words_and_into_what_another_cut_would_give() -> None:
    words = words_of("保湿护手霜")
    assert {"保湿", "护手", "手霜", "霜"} <= set(words)
    assert "霜" not in asked_words("保湿护手霜")
    assert asked_words("霜") == ["霜"]


@pytest.mark.parametrize(
    ("title", "query"), [("保湿护手霜", "护手霜"), ("とうふドーナツ", "ドーナツ"), ("김치찌개", "찌개")]
)
def test_part_of_an_unspaced_title_shares_words_with_it(title: str, query: str) -> None:
    assert set(asked_words(query)) & set(words_of(title))


def test_marks_that_make_another_letter_stay() -> None:
    assert folded("が") != folded("か")


@given(st.text(max_size=200))
def test_any_text_can_be_cut_and_its_form_does_not_matter(text: str) -> None:
    words = words_of(text)
    assert all(words)
    assert words_of(unicodedata.normalize("NFD", text.casefold())) == words_of(text) or not text.isascii()
    assert words_of(text.upper()) == words or not text.isascii()
