"""`hermes local`, as the shell and `make chat` give it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes import HermesError
from hermes.plugins import Host
from hermes.testing.commands import FakeCommandContext, give
from hermes_plugin_local.commands import local
from hermes_plugin_local.weights import BUNDLED


@pytest.fixture
def shell(home: Path) -> FakeCommandContext:
    return FakeCommandContext("cli", host=Host.open(home))


async def test_status_names_the_model_and_the_mend(shell: FakeCommandContext) -> None:
    await give(local, "status", context=shell)
    assert f"local:{BUNDLED.name}  not fetched" in shell.text
    assert "hermes local fetch" in shell.text
    assert "hermes model" in shell.text


async def test_status_is_what_local_alone_does(shell: FakeCommandContext, shelf: Path) -> None:
    await give(local, context=shell)
    assert "98 MB, 8192 tokens of context, no tools" in shell.text
    assert "its hash is right" in shell.text


async def test_status_fails_for_a_damaged_model(shell: FakeCommandContext, home: Path) -> None:
    (home / "models").mkdir()
    (home / "models" / BUNDLED.file).write_bytes(b"GGUF")
    with pytest.raises(HermesError, match="hermes local fetch"):
        await give(local, "status", context=shell)


async def test_fetch_says_where_the_model_is(shell: FakeCommandContext, shelf: Path) -> None:
    await give(local, "fetch", context=shell)
    assert shell.text == f"The model is here: {shelf / BUNDLED.file}"


async def test_fetch_shows_how_far_it_is(
    shell: FakeCommandContext, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    provider = shell.host.create("providers", "local")

    async def fetch(progress, *, children=None) -> Path:
        for done in (0, 30, 60, 100):
            progress(done * 1_000_000, 100_000_000)
        return Path("there")

    monkeypatch.setattr(provider, "fetch", fetch)
    await give(local, "fetch", context=shell)
    assert shell.replies[1] == "Fetching the model: 25 % of 100 MB"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    await give(local, "fetch", context=shell)
    bar = capsys.readouterr().err
    assert "100/100 MB\n" in bar
    assert bar.count("\r") == 4
