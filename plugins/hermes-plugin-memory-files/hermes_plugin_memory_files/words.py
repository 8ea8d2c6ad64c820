"""Words as recall compares them: lower case, without endings; CJK by pairs of characters."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_STOP = """\
a about after again all also am an and any are as ask at be because been before being but by can
cannot could did do does doing done down each few for from further get give go got had has have
having he her here hers him his how i if in into is it its just know let like make many may me might
more most much must my need no nor not now of off on once one only or other our out over own please
say shall she should show so some such tell than that the their them then there these they thing
this those through to too under until up us use used using very want was way we were what when where
which while who whom whose why will with without would yes you your"""
_NAME = re.compile(
    r"(?:(?<=[^\s.!?:])[^\S\n]+[(\"'*]*(?=\w*[A-Z])|\b(?=[A-Z]\w+['’]s\b))([^\W\d_]\w*)"
)
_AFTER_ARTICLE = re.compile(
    r"\b(?:an?|the|some|any|every|each|this|that|my|your|our|their)\s+((?:[^\W\d_]+\s+)?[a-z]+)\b"
)
_CAPITAL = re.compile(r"\b[A-Z]\w*")
STOP = frozenset(_STOP.split())
_ENDINGS = (
    ("ies", "y"), ("sses", "ss"), ("ments", ""), ("ment", ""), ("ings", ""), ("ing", ""),
    ("ers", ""), ("er", ""), ("ed", ""), ("es", ""), ("ly", ""), ("s", ""), ("e", ""),
)  # fmt: skip
_KEPT = 3
"""Letters that stay of a word whatever its ending."""


def words(text: str) -> list[str]:
    """Give the words of *text* that say something, as they are compared."""
    found: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text)):
        if _CJK.search(word):
            found += [word[n : n + 2] for n in range(max(1, len(word) - 1))]
            continue
        lower = word.casefold()
        if lower not in STOP and (len(lower) > 1 or lower.isdigit()):
            found.append(stem(lower))
    return found


def names(text: str) -> set[str]:
    """Give the words that are written as names: with a capital where no sentence begins, or as an
    owner (``Rigel's port``).
    """
    return {each for found in _NAME.findall(text) for each in words(found)}


def common(text: str) -> set[str]:
    """Give the words that stand as everyday words: in small letters, after an article."""
    return {each for found in _AFTER_ARTICLE.findall(text) for each in words(found)} - set(
        words(" ".join(_CAPITAL.findall(text)))
    )


def stem(word: str) -> str:
    """Take the ending off an English word, roughly: both sides of a comparison pass here."""
    if not word.isascii() or not word.isalpha():
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _KEPT:
            word = word[: len(word) - len(ending)] + instead
            break
    return word[:-1] if len(word) > _KEPT and word[-1] == word[-2] else word
