"""Secrets are found where people put them, and shown nowhere."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings, strategies as st

from hermes import HermesError, Secret
from hermes.logs import KEPT, Logs
from hermes.paths import HomePaths
from hermes.secrets import SecretStore, parse_env

ENV = """\
# a comment
PLAIN=abc
export EXPORTED=def
SPACED = ghi jkl   # said
HASH=a#b
SINGLE='x # "y" \\n'
DOUBLE="a \\"b\\"\\n$HOME"  # said
EMPTY=
COMMENTED= # nothing
MULTI="one
two"
  INDENTED=1\r
not a line
9BAD=1
PLAIN2=a=b==
"""


def store(tmp_path: Path, env: str = "", **environ: str) -> SecretStore:
    (tmp_path / ".env").write_text(env)
    return SecretStore(tmp_path / ".env", environ)


def test_the_file_is_read_as_people_write_it() -> None:
    assert parse_env(ENV) == {
        "PLAIN": "abc",
        "EXPORTED": "def",
        "SPACED": "ghi jkl",
        "HASH": "a#b",
        "SINGLE": 'x # "y" \\n',
        "DOUBLE": 'a "b"\n$HOME',
        "EMPTY": "",
        "COMMENTED": "",
        "MULTI": "one\ntwo",
        "INDENTED": "1",
        "PLAIN2": "a=b==",
    }


def test_the_environment_wins_and_the_file_never_gets_into_it(tmp_path: Path) -> None:
    secrets = store(tmp_path, "A_KEY=from-file\nB_KEY=only-file\n", A_KEY="from-env")
    assert secrets.get(Secret("env:A_KEY")) == "from-env"
    assert secrets.get(Secret("env:B_KEY")) == "only-file"
    assert secrets.get(Secret("env:C_KEY")) is None
    assert (secrets.origin("A_KEY"), secrets.origin("B_KEY")) == ("environment", ".env")
    assert "B_KEY" not in os.environ
    (tmp_path / ".env").write_text("B_KEY=changed-now\n")
    assert secrets.get(Secret("env:B_KEY")) == "changed-now"


def test_what_was_read_is_redacted_in_its_usual_forms(tmp_path: Path) -> None:
    value = 'pa"ss/wörd+1'
    secrets = store(tmp_path, KEY=value)
    assert secrets.redact(value) == value
    secrets.get(Secret("env:KEY"))
    raw = value.encode()
    for form in (
        value,
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        raw.hex().upper(),
        quote(value, safe=""),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    ):
        assert secrets.redact(f"<{form}>").rstrip("=>") == "<[secret]", form


def test_short_values_do_not_take_words_with_them(tmp_path: Path) -> None:
    secrets = store(tmp_path, KEY="word")
    secrets.get(Secret("env:KEY"))
    assert secrets.redact("a word") == "a word"


def test_commands_and_keyrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = store(tmp_path)
    assert secrets.get(Secret("command:echo from-a-command")) == "from-a-command"
    assert secrets.redact("from-a-command") == "[secret]"
    with pytest.raises(HermesError, match="exit status 3"):
        secrets.get(Secret("command:exit 3"))
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(HermesError, match="keyring:hermes/x needs the keyring package"):
        secrets.get(Secret("keyring:hermes/x"))


def test_writing_one_variable_leaves_the_other_lines(tmp_path: Path) -> None:
    secrets = store(tmp_path, "# mine\nexport A=1 # old\nB='2'\n")
    (tmp_path / ".env").chmod(0o644)
    secrets.set("A", "new value")
    secrets.set("C", "x")
    assert (tmp_path / ".env").read_text() == "# mine\nA='new value'\nB='2'\nC=x\n"
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    with pytest.raises(HermesError, match="not the name of a variable"):
        secrets.set("A B", "x")


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t")))
def test_any_value_that_is_written_is_read_back(tmp_path_factory: Any, value: str) -> None:
    secrets = store(tmp_path_factory.mktemp("home"), "BEFORE=1\nKEY=old\nAFTER=2\n")
    secrets.set("KEY", value)
    assert secrets.file_values() == {"BEFORE": "1", "KEY": value, "AFTER": "2"}


def test_variables_that_hold_secrets_are_named_for_child_environments(tmp_path: Path) -> None:
    secrets = store(
        tmp_path, "ANYTHING=1\n", OPENAI_API_KEY="x", GH_TOKEN="y", PATH="/bin", KEYS="z"
    )
    secrets.declare("env:DECLARED")
    assert secrets.environment() == {"ANYTHING", "OPENAI_API_KEY", "GH_TOKEN", "DECLARED"}


def test_log_lines_are_json_redacted_and_bound_to_their_plugin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = store(tmp_path, KEY="sesame-open")
    secrets.get(Secret("env:KEY"))
    logs = Logs(HomePaths(tmp_path), secrets, on_screen="warning")
    log = logs.bind(plugin="good")
    log.debug("unseen")
    log.info("connected", url="http://x/?k=sesame-open")
    log.warning("slow", seconds=3, key="sesame-open")

    file = tmp_path / "logs" / "hermes.log"
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["event"], first["plugin"], first["level"]) == ("connected", "good", "info")
    assert first["url"] == "http://x/?k=[secret]"
    assert second["seconds"] == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    printed = capsys.readouterr()
    assert printed.err == "hermes: warning [good]: slow seconds=3 key=[secret]\n"
    assert printed.out == ""


def test_log_files_are_put_aside_and_three_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.logs.LIMIT", 2_000)
    log = Logs(HomePaths(tmp_path), store(tmp_path)).bind()
    for number in range(100):
        log.info("line", number=f"n{number:03}", filling="x" * 100)
    files = sorted(path.name for path in (tmp_path / "logs").glob("hermes.log*"))
    assert files == ["hermes.log", *(f"hermes.log.{n}" for n in range(1, KEPT + 1))]
    assert "n099" in (tmp_path / "logs" / "hermes.log").read_text()
    assert "n000" not in "".join(p.read_text() for p in (tmp_path / "logs").glob("hermes.log*"))


def test_a_disk_that_cannot_be_written_does_not_end_the_program(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("not a folder")
    Logs(HomePaths(tmp_path), store(tmp_path)).bind().error("lost")
