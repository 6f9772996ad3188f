"""The page of promises names tests that exist and is as the tests are now."""

from __future__ import annotations

import pytest

from tests.promises import PAGE, page, source_of
from tests.promises_table import PROMISES


@pytest.mark.parametrize(
    "proof", [proof for promise in PROMISES for proof in promise.proofs], ids=lambda proof: proof.test
)
def test_every_proof_is_a_test_that_exists(proof) -> None:
    assert proof.test.partition("::")[2].startswith("test_")
    proof.size.format(**source_of(proof.test).sizes())


def test_every_promise_has_a_proof_or_says_not_yet() -> None:
    assert all(promise.proofs or promise.not_yet for promise in PROMISES)
    assert len({promise.promise for promise in PROMISES}) == len(PROMISES)


def test_a_test_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(LookupError, match="no test"):
        source_of("tests/house/test_promises.py::test_of_nothing")
    with pytest.raises(LookupError, match="no file"):
        source_of("tests/house/test_nothing.py::test_of_nothing")


def test_the_page_is_as_the_tests_are() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.promises`"
