"""Markdown as models write it, and worse, for tests of what cuts and converts it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_WORDS = r"""
    the reply is long and has **bold** and *slanted* parts `code` ~~gone~~ ||hidden|| naïve שלום
    עולם مرحبا 日本語 한국어 😀 👩‍👩‍👧 🇩🇪🇫🇷 é̂ [link](https://example.org/a?b=c&d=e_f) \* _a_b_ <b> &
    &amp; (1/3) [x](./local.md) [y](http://localhost:1/) ![z](https://example.org/p.png) $x^2$ @name
    #tag /cmd !. # - * ` ** [ ]( ~~ || \ ``` 1) http://example.org/path_(x) \(a+b\) \[
""".split()  # noqa: SIM905
_LANGUAGES = ("", "python", "c++", "sh session", "{.rst}")


def generate(random: Random) -> str:
    """Make a text: paragraphs, lists, tables, quotes, code blocks in code blocks, endless lines."""
    blocks = [random.choice(_BLOCKS)(random) for _ in range(random.randint(1, 12))]
    return random.choice(("\n\n", "\n")).join(blocks)


def _words(random: Random) -> str:
    return " ".join(random.choice(_WORDS) for _ in range(random.randint(1, 120)))


def _heading(random: Random) -> str:
    return "#" * random.randint(1, 7) + " " + _words(random)[:80]


def _items(random: Random) -> str:
    mark = random.choice(("- ", "* ", "1. ", "- [ ] ", "- [x] "))
    return "\n".join(
        " " * random.choice((0, 0, 2, 4)) + mark + _words(random)[:90]
        for _ in range(random.randint(1, 15))
    )


def _table(random: Random) -> str:
    rows = ["| a | b |", "|---|:-:|"]
    rows += [f"| {_words(random)[:30]} | {random.randint(0, 9)} |" for _ in range(20)]
    return "\n".join(rows)


def _quote(random: Random) -> str:
    return "\n".join("> " + line for line in random.choice(_INNER)(random).split("\n"))


def _code(random: Random) -> str:
    fence = random.choice("`~") * random.randint(3, 5)
    inner = f"{fence[0] * 3}\nnested\n{fence[0] * 3}\n" if len(fence) > 3 else ""
    lines = [
        f"    line({number})  # {_words(random)[:40]}" for number in range(random.randint(0, 60))
    ]
    lines = [line.replace("`", "").replace("~", "") for line in lines]
    closing = "" if random.random() < 0.1 else "\n" + fence
    return f"{fence}{random.choice(_LANGUAGES)}\n{inner}" + "\n".join(lines) + closing


def _endless(random: Random) -> str:
    length = random.choice((500, 5_000, 20_000))
    return (random.choice(("x", "😀", "é̂", "ab ", "```", "**a** ")) * length)[:length]


def _blank(random: Random) -> str:
    return random.choice(("", "\n" * 5, " ", " \t\n", "---"))


_INNER: tuple[Callable[[Random], str], ...] = (_words, _items, _code)
_BLOCKS: tuple[Callable[[Random], str], ...] = (
    _words, _words, _words, _heading, _items, _table, _quote, _code, _code, _endless, _blank,
)  # fmt: skip
