"""Text as words that can be compared: one form for upper and lower case, accents, full width and plurals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MAX_TEXT = 5_000
"""Characters of a text that are read; no title needs more, and no text may cost more."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = _HAN + "\u3040-\u30ff\u31f0-\u31ff\uac00-\ud7af"
_RUN = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+")
_STARTS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_ALL_HAN = re.compile(f"[{_HAN}]+")
_APOSTROPHE = re.compile("['’ʼ`´]")


def folded(text: str) -> str:
    """The text in one form: NFKC, without case, accents and apostrophes."""
    text = text[:MAX_TEXT]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        apart = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", "".join(char for char in apart if not _is_accent(char)))
    return _APOSTROPHE.sub("", text.casefold())


def _is_accent(char: str) -> bool:
    # Marks of kana (が) and of other scripts change the letter; those over Latin, Greek and Cyrillic do not.
    return "\u0300" <= char <= "\u036f"


def words_of(text: str) -> list[str]:
    """The words of a text that is indexed, in order, repeated ones kept.

    A run of Chinese gives the words a segmenter sees in it, and its single characters and pairs, because the query
    may be cut otherwise than the title; Japanese and Korean give characters and pairs.
    """
    return [word for run in _RUN.findall(folded(text)) for word in _of_run(run, asked=False)]


def asked_words(text: str) -> list[str]:
    """The words of a query: as :func:`words_of`, but single unspaced characters only where they stand alone."""
    return [word for run in _RUN.findall(folded(text)) for word in _of_run(run, asked=True)]


def ends_open(text: str) -> bool:
    """Whether the last word of a query may still be growing."""
    return bool(text) and (text[-1].isalnum() or _STARTS_UNSPACED.match(text[-1]) is not None)


def is_unspaced(word: str) -> bool:
    """Whether a word is of a script that sets no spaces; such words have no spelling mistakes."""
    return _STARTS_UNSPACED.match(word) is not None


def _of_run(run: str, *, asked: bool) -> Iterator[str]:
    if not is_unspaced(run):
        yield singular(run)
        return
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    found = dict.fromkeys(_segmented(run) if _ALL_HAN.fullmatch(run) else ())
    if asked and len(run) > 1:
        found = {word: None for word in found if len(word) > 1}
    else:
        found |= dict.fromkeys(run)
    yield from found | dict.fromkeys(pairs)


def _segmented(run: str) -> list[str]:
    import rjieba  # its dictionary takes longer to load than most shops, without a Chinese title, take to start

    return rjieba.cut_for_search(run)


def singular(word: str) -> str:
    """The word without an English plural's ending. Reference: Harman 1991, the S stemmer."""
    if len(word) <= 3 or not word.endswith("s") or not word.isascii():
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word if word.endswith(("us", "ss")) else word[:-1]
