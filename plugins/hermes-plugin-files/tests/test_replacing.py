"""Finding the text that is meant."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st

from hermes_plugin_files.replace import ReplaceError, replace

CODE = """\
def first(x):
    if x:
        return 1
    return 2


class Second:
    def first(self):
        print("it’s – fine")
        return  [1,  2]

    def third(self):
        value = compute(self)
        log(value)
        return value
"""


def changed(old: str, new: str, **options) -> tuple[str, str]:
    done = replace(CODE, old, new, **options)
    return done.text, done.way


@pytest.mark.parametrize(
    ("way", "old", "new", "expected"),
    [
        ("exact", "return 2", "return 3", CODE.replace("return 2", "return 3")),
        (
            "line-trimmed",
            "    if x:   \n        return 1\t\n",
            "    pass\n",
            CODE.replace("    if x:\n        return 1\n", "    pass\n"),
        ),
        (
            "whitespace-normalised",
            "return [1, 2]",
            "return []",
            CODE.replace("return  [1,  2]", "return []"),
        ),
        (
            "indentation-flexible",
            "if x:\n    return 1",
            "if y:\n    return 4",
            CODE.replace("    if x:\n        return 1", "    if y:\n        return 4"),
        ),
        (
            "escape-normalised",
            "if x:\\n        return 1",
            "if y:\\n        return 4",
            CODE.replace("if x:\n        return 1", "if y:\n        return 4"),
        ),
        (
            "trimmed-boundary",
            "\n\n\n  return 2\n\n\n\n\n",
            "return 3",
            CODE.replace("return 2", "return 3"),
        ),
        (
            "unicode-normalised",
            'print("it\'s - fine")',
            'print("it is")',
            CODE.replace('print("it’s – fine")', 'print("it is")'),
        ),
        (
            "block-anchor",
            "def third(self):\n    value = compute(self, 1)\n    return value",
            "def third(self):\n    return 0",
            None,
        ),
        (
            "context-aware",
            "def third(self):\n    value = compute(self)\n    log(value)\n    return values",
            "def third(self):\n    return 0",
            CODE.replace(
                "        value = compute(self)\n        log(value)\n        return value",
                "        return 0",
            ),
        ),
    ],
)
def test_each_way_finds_what_is_meant(way: str, old: str, new: str, expected: str | None) -> None:
    if expected is None:  # a line is missing in between: as many lines are demanded
        with pytest.raises(ReplaceError):
            changed(old, new)
        return
    assert changed(old, new) == (expected, way)


def test_the_middle_between_two_anchors_may_differ() -> None:
    old = "def third(self):\n    value = computed(self)\n    log(values)\n    return value"
    text, way = changed(old, "def third(self):\n    return 0")
    assert way == "block-anchor"
    assert text.endswith("    def third(self):\n        return 0\n")


def test_two_places_are_an_error_that_says_where() -> None:
    with pytest.raises(ReplaceError, match=r"2 times \(lines 1, 8\)"):
        changed("def first", "def zeroth")


def test_all_places_are_replaced_when_asked() -> None:
    text, _ = changed("def first", "def zeroth", everywhere=True)
    assert text == CODE.replace("def first", "def zeroth")


def test_the_generous_ways_do_not_choose_between_places() -> None:
    block = "begin\n  alpha = {}\n  beta = 2\nend\n"
    text = block.format(1) + block.format(3)
    with pytest.raises(ReplaceError, match="not in the file"):
        replace(text, "begin\n  alpha = 2\n  beta = 22\nend", "x", everywhere=True)


def test_what_is_not_there_is_answered_with_the_nearest_line() -> None:
    with pytest.raises(ReplaceError, match=r"Nearest is line 13:         value = compute\(self\)"):
        changed("value = compute(myself)", "x")


@pytest.mark.parametrize(("old", "new"), [("", "x"), ("a", "a")])
def test_nothing_to_do_is_an_error(old: str, new: str) -> None:
    with pytest.raises(ReplaceError):
        changed(old, new)


WORDS = st.text(alphabet="ab=(); é", min_size=1, max_size=12).filter(str.strip)
LINES = st.lists(
    st.tuples(st.sampled_from(["", "  ", "    ", "\t"]), WORDS), min_size=1, max_size=25
)


AROUND = st.text(alphabet="ab \n\t", max_size=40)


@given(AROUND, AROUND, AROUND, AROUND, AROUND)
def test_what_is_there_once_is_replaced_and_nothing_else(a, b, before, after, new) -> None:
    old = f"{a}Z{b}"
    done = replace(f"{before}{old}{after}", old, new)
    assert (done.text, done.way) == (f"{before}{new}{after}", "exact")


@given(LINES, st.data())
def test_a_block_quoted_with_other_blanks_is_found_and_what_is_around_stays(lines, data) -> None:
    """Indentation shifted, blanks at line ends: the same lines are meant."""
    text = "\n".join(indent + word.strip() for indent, word in lines) + "\n"
    whole = text.split("\n")[:-1]
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first, len(whole) - 1))
    block = whole[first : last + 1]
    shift = data.draw(st.sampled_from(["", " ", "        "]))
    tails = data.draw(st.lists(st.sampled_from(["", " ", "\t"]), min_size=30, max_size=30))
    quoted = "\n".join(
        f"{shift}{line.lstrip()}{tail}" for line, tail in zip(block, tails, strict=False)
    )
    stripped = [line.strip() for line in whole]
    wanted = [line.strip() for line in block]
    places = [i for i in range(len(whole)) if stripped[i : i + len(wanted)] == wanted]
    assume(len(places) == 1)
    try:
        done = replace(text, quoted, f"{shift}NEW")
    except ReplaceError:
        # A single line may also be part of others: then it is not plain which one is meant.
        assert len(block) == 1 or text.count(quoted.strip()) > 1
        return
    before = "".join(f"{line}\n" for line in whole[:first])
    after = "".join(f"\n{line}" for line in whole[last + 1 :]) + "\n"
    if len(block) > 1 and done.text.count("NEW") == 1 and done.way != "trimmed-boundary":
        assert done.text.startswith(before)
        assert done.text.endswith(after)
        middle = done.text[len(before) : len(done.text) - len(after)]
        assert middle.strip() == "NEW"


@given(st.text(max_size=80), st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_anything_either_works_or_says_why(text: str, old: str, new: str) -> None:
    try:
        done = replace(text, old, new)
    except ReplaceError:
        return
    assert done.places == 1


def test_other_blanks_within_and_before_lines_do_not_lose_the_indentation() -> None:
    text, way = changed("if  x:\n  return  1", "if y:\n  return 4\nelse:\n  pass")
    assert way == "whitespace-normalised"
    assert text == CODE.replace(
        "    if x:\n        return 1", "    if y:\n        return 4\n    else:\n        pass"
    )


def test_each_line_is_indented_as_its_quoted_neighbours_are() -> None:
    text, _ = changed("def first(x):\n  if x:\n   return 1", "def first(x):\n  if x:\n   return 5")
    assert text == CODE.replace("return 1", "return 5")
