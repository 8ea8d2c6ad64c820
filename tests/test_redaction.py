"""A known value is found in the forms that programs give it, and nothing else is touched."""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path

import msgspec
from hypothesis import given, settings, strategies as st

from hermes.records import UserSaid
from hermes.redaction import BLOCK, SHOWN, WITHHELD, Redactor, redact_all

VALUE = "s3cr3t+Value/with?all&kinds 42"
secrets = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=12)


def hiding(*values: str) -> Redactor:
    made = Redactor()
    for value in values:
        made.conceal(value)
    return made


@settings(deadline=None)
@given(secrets, st.binary(max_size=20), st.binary(max_size=20), st.integers(20, 80))
def test_base64_of_a_text_that_holds_it_gives_nothing_away(
    value: str, before: bytes, after: bytes, width: int
) -> None:
    whole = base64.b64encode(before + value.encode() + after).decode()
    for text in (whole, "\n".join(textwrap.wrap(whole, width))):
        hidden = hiding(value).redact(text)
        assert SHOWN in hidden
        # What is left stands for the bytes around it, and at most a few bits of the value.
        assert len("".join(hidden.split())) <= (len(before) + len(after) + 8) * 4 / 3 + len(SHOWN)


@settings(deadline=None)
@given(secrets, st.sampled_from(["", " ", ":", "\n", "  "]))
def test_hex_in_groups_gives_nothing_away(value: str, between: str) -> None:
    for raw in (value.encode().hex(), value.encode().hex().upper()):
        text = between.join(raw[at : at + 2] for at in range(0, len(raw), 2))
        assert hiding(value).redact(f"<{text}>") == f"<{SHOWN}>"


def test_other_text_stays_as_it_is() -> None:
    text = "a line\n  indented: more\n" * 1000
    assert hiding(VALUE).redact(text) == text


def test_of_two_values_the_longer_goes_first() -> None:
    assert hiding("secret-one", "secret-one-and-two").redact("secret-one-and-two") == SHOWN


def test_a_rule_that_breaks_lets_nothing_through() -> None:
    redactor = hiding()
    redactor.add_rule(lambda text: str(1 / 0))
    assert redactor.redact("anything") == WITHHELD


def test_a_file_is_mended_in_place_also_where_blocks_meet(tmp_path: Path) -> None:
    file, value = tmp_path / "output", VALUE.encode()
    around = b"x" * (BLOCK - len(value) // 2)
    file.write_bytes(around + value + around + base64.b64encode(value) + b"\xff end")
    hiding(VALUE).redact_file(file)
    after = file.read_bytes()
    assert after == around + b"*" * len(value) + around + b"*" * 40 + b"\xff end"


def test_a_struct_is_redacted_in_every_text_or_stays_the_same_object() -> None:
    said = UserSaid(text=f"use {VALUE}", sender="Ann", context="nothing")
    hidden = redact_all(said, hiding(VALUE).redact)
    assert hidden == msgspec.structs.replace(said, text=f"use {SHOWN}")
    assert redact_all(hidden, hiding(VALUE).redact) is hidden
