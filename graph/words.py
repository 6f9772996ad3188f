"""The words of a search, in scripts with and without spaces."""

from __future__ import annotations

import re
import unicodedata

# A tokenizer takes a run of letters as one word. Chinese, Japanese and Korean put no spaces between words, so
# each of their characters is indexed as a word of its own, and a run of them is asked for as a phrase: exact
# substring search at half the trigram tokenizer's size, down to one character.
_UNSPACED = (
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_CHARACTER = re.compile(f"([{_UNSPACED}])")
_WORD = re.compile(f"[{_UNSPACED}]+|[^\\W{_UNSPACED}]+")
_MAX_WORDS = 32


def words_of(text: str) -> list[str]:
    """The first words of what someone searches for: runs of letters and digits, nothing else."""
    return _WORD.findall(text.replace("_", " "))[:_MAX_WORDS]


def is_open(word: str) -> bool:
    """Whether the word may be the beginning of a longer one."""
    return len(word) > 1 and not _CHARACTER.match(word)


def is_unspaced(word: str) -> bool:
    """Whether the word is a run of characters of a script without spaces."""
    return bool(_CHARACTER.match(word))


def spaced(text: str) -> str:
    """The text as it is given to the index: characters of unspaced scripts set apart."""
    return text if text.isascii() else _CHARACTER.sub(r" \1 ", text)


def folded(text: str) -> str:
    """The text without case and diacritics, as search compares it."""
    if text.isascii():
        return text.lower()
    return "".join(part for part in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(part))


def has_words(text: str, words: list[str]) -> bool:
    """Whether every word is in the text, as search understands it; the naive twin of an index."""
    known = [folded(word) for word in _WORD.findall(text.replace("_", " "))]
    return all(any(_meets(word, found) for found in known) for word in words)


def _meets(word: str, found: str) -> bool:
    if is_unspaced(word):
        return folded(word) in found
    return found.startswith(folded(word)) if is_open(word) else found == folded(word)
