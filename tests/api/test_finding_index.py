"""The inverted index against a loop over all documents, and terms with slips against a comparison with every term."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from api.engine.finding.asking import meanings, row_scores, slips_allowed
from api.engine.finding.index import LENGTH_NORM, SATURATION, TextIndex
from graph.errors import ReleaseError

DOCUMENTS = st.lists(
    st.dictionaries(st.text("abcdefg", min_size=1, max_size=9), st.sampled_from([1.0, 2.0, 3.0]), max_size=6),
    max_size=12,
)


def bm25(documents: list[Mapping[str, float]], term: str, row: int) -> float:
    """Robertson's formula, spelt out."""
    lengths = [sum(document.values()) for document in documents]
    known = [length for length in lengths if length]
    degree = sum(term in document for document in documents)
    frequency = documents[row].get(term, 0.0)
    norm = SATURATION * (1 - LENGTH_NORM + LENGTH_NORM * lengths[row] / (sum(known) / len(known)))
    rarity = math.log(1 + (len(documents) - degree + 0.5) / (degree + 0.5))
    return rarity * frequency * (SATURATION + 1) / (frequency + norm)


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS)
def test_scores_are_bm25(documents: list[Mapping[str, float]]) -> None:
    index = TextIndex.from_arrays(TextIndex.of(documents).arrays())
    assert list(index.terms) == sorted({term for document in documents for term in document})
    for term in index.terms:
        scores, _ = row_scores(index, [term], growing=False)
        expected = [bm25(documents, term, row) if term in documents[row] else 0.0 for row in range(len(documents))]
        np.testing.assert_allclose(scores, expected, rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("abcde", min_size=3, max_size=10), min_size=1, max_size=40, unique=True),
    st.text("abcde", min_size=4, max_size=10),
)
def test_misspelt_words_mean_what_a_comparison_with_every_term_finds(terms: list[str], word: str) -> None:
    index = TextIndex.of([{term: 1.0} for term in terms])
    slips = slips_allowed(word)
    near = {term for term in terms if OSA.distance(word, term) <= slips}
    found = {term for meant in meanings(index, word, growing=False) for term in index.terms[meant.start : meant.stop]}
    if word in terms:
        assert found == {word}
    elif len(near) <= 20:
        assert found == near


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abcd", min_size=3, max_size=8), min_size=1, max_size=15, unique=True),
    st.text("abcd", min_size=4, max_size=6),
)
def test_misspelt_beginnings_are_those_that_a_comparison_finds(terms: list[str], word: str) -> None:
    index = TextIndex.of([{term: 1.0} for term in terms])
    found = {term for meant in meanings(index, word, growing=True) for term in index.terms[meant.start : meant.stop]}
    sizes = range(len(word) - 1, len(word) + 2)

    def begins(term: str) -> bool:
        return term[0] == word[0] and any(OSA.distance(word, term[:size]) <= 1 for size in sizes if len(term) >= size)

    if not any(term.startswith(word) for term in terms):
        assert {term for term in terms if begins(term)} <= found


def test_a_growing_word_means_everything_that_begins_with_it() -> None:
    index = TextIndex.of([{"shampoo": 1.0}, {"shave": 1.0}, {"soap": 1.0}])
    assert (row_scores(index, ["sha"], growing=True)[0] > 0).tolist() == [True, True, False]
    assert not row_scores(index, ["sha"], growing=False)[0].any()


@pytest.mark.parametrize(
    ("words", "documents"), [(["teapot"], [{"tea": 1.0, "pot": 1.0}]), (["tea", "pot"], [{"teapot": 1.0}])]
)
def test_words_run_together_or_torn_apart_are_understood(
    words: list[str], documents: list[Mapping[str, float]]
) -> None:
    assert row_scores(TextIndex.of(documents), words, growing=False)[0][0] > 0


def test_two_known_words_also_mean_the_word_they_make() -> None:
    documents = [
        {"potting": 1.0, "shed": 1.0, "tea": 1.0, "mug": 1.0},
        {"regency": 1.0, "teapot": 1.0, "rose": 1.0},
        {"tea": 1.0, "pot": 1.0, "blue": 1.0},
        {"flower": 1.0, "pot": 1.0, "blue": 1.0},
    ]
    scores, covered = row_scores(TextIndex.of(documents), ["tea", "pot"], growing=True)
    said = scores * covered
    assert min(said[1], said[2]) > max(said[0], said[3]) > 0
    assert covered[1] == covered[2]
    assert row_scores(TextIndex.of(documents), ["pot", "tea"], growing=False)[0][1] == 0


def test_damaged_arrays_are_refused() -> None:
    arrays = TextIndex.of([{"a": 1.0}, {"b": 1.0}]).arrays()
    for damaged in (
        {**arrays, "rows": arrays["rows"] + 5},
        {**arrays, "terms": arrays["terms"][:1]},
        {"terms": arrays["terms"]},
    ):
        with pytest.raises(ReleaseError):
            TextIndex.from_arrays(damaged)
