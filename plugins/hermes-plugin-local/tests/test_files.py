"""Which file is a model, and what is said of one that is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermes import Failed, ModelRequest, ModelSpec, user
from hermes_plugin_local.checks import LocalCheck
from hermes_plugin_local.gguf import GgufError, read
from hermes_plugin_local.settings import LocalSettings
from hermes_plugin_local.weights import BUNDLED, check

pytestmark = pytest.mark.xdist_group("local-model")


def request(model: str) -> ModelRequest:
    return ModelRequest(ModelSpec(model, "", (user("Hello"),), max_output=1), lambda event: None)


async def failure(provider, model: str):
    with pytest.raises(Failed) as caught:
        await provider.stream(request(model))
    assert "\n" not in caught.value.failure.message
    return caught.value.failure


def test_the_metadata_is_read(weights: Path, with_tools: Path) -> None:
    found = read(weights)
    assert (found.architecture, found.window, found.tools) == ("llama", 8192, False)
    assert "<|im_start|>" in found.control
    assert read(with_tools).tools


@pytest.mark.parametrize("size", [0, 3, 23, 100, 5_000, 1_500_000, 1_800_000, 50_000_000])
def test_a_file_that_is_cut_short_is_no_model(weights: Path, tmp_path: Path, size: int) -> None:
    file = tmp_path / "short.gguf"
    with weights.open("rb") as whole:
        file.write_bytes(whole.read(size))
    with pytest.raises(GgufError, match=r"short\.gguf"):
        read(file)
    with pytest.raises(GgufError, match="instead of 98,362,432"):
        check(file, BUNDLED)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is no GGUF file"),
        (b"GGUF" + b"\x63\0\0\0" + bytes(40), "version 99"),
        (b"GGUF" + b"\x03\0\0\0" + b"\xff" * 40, "damaged"),
        (b"GGUF" + b"\x03\0\0\0" + bytes(40), "cut short|no architecture"),
    ],
)
def test_a_file_of_another_kind_is_no_model(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "other.gguf"
    file.write_bytes(data)
    with pytest.raises(GgufError, match=said):
        read(file)


def test_noise_never_raises_anything_else(tmp_path: Path) -> None:
    file = tmp_path / "noise.gguf"
    for _ in range(300):
        file.write_bytes(
            b"GGUF\x03\0\0\0" + bytes([1]) + bytes(7) + bytes([9]) + bytes(7) + os.urandom(200)
        )
        with pytest.raises(GgufError):
            read(file)


async def test_a_damaged_model_is_refused_before_it_is_loaded(
    home: Path, weights: Path, make_provider
) -> None:
    data = bytearray(weights.read_bytes())
    data[60_000_000] ^= 1
    (home / "models").mkdir()
    (home / "models" / BUNDLED.file).write_bytes(data)
    provider = make_provider()
    failed = await failure(provider, f"local:{BUNDLED.name}")
    assert "SHA-256" in failed.message
    assert "hermes local fetch" in failed.message
    assert not failed.retryable


async def test_a_file_that_only_the_library_refuses_is_named(
    weights: Path, home: Path, make_provider
) -> None:
    with weights.open("rb") as whole:
        (home / "mine.gguf").write_bytes(whole.read(BUNDLED.size - 1000))
    failed = await failure(make_provider(model="mine.gguf"), "local:mine")
    assert str(home / "mine.gguf") in failed.message
    assert "damaged" in failed.message


async def test_a_missing_file_is_named_with_the_mend(home: Path, make_provider) -> None:
    failed = await failure(make_provider(model="~/nowhere/at all.gguf"), "local:at all")
    assert "at all.gguf" in failed.message
    assert "local.model" in failed.message


async def test_a_model_that_is_not_there_is_refused_with_those_that_are(
    shelf: Path, weights: Path, make_provider
) -> None:
    (shelf / "another.gguf").symlink_to(weights)
    failed = await failure(make_provider(), "local:nonsense")
    assert failed.kind == "bad_request"
    assert BUNDLED.name in failed.message
    assert "another" in failed.message


async def test_without_leave_nothing_is_fetched(make_provider) -> None:
    failed = await failure(make_provider(fetch=False), f"local:{BUNDLED.name}")
    assert "hermes local fetch" in failed.message


async def test_the_bundled_model_is_described_before_it_is_fetched(make_provider) -> None:
    provider = make_provider(window=2000)
    assert provider.default() == BUNDLED.name
    info = await provider.info(provider.default())
    assert (info.tools, info.images, info.window) == (False, False, 2000)
    assert "135M" in info.summary
    assert "hermes model" in info.summary


async def test_every_file_in_the_folder_is_a_model(
    shelf: Path, weights: Path, with_tools: Path, make_provider
) -> None:
    (shelf / "copy.gguf").symlink_to(weights)
    provider = make_provider(model=str(with_tools), window=300)
    assert [info.name for info in await provider.models()] == ["tools", BUNDLED.name, "copy"]
    for info in await provider.models():
        assert info.window == 300
        await provider.stream(request(f"local:{info.name}"))


async def test_the_doctor_looks_at_the_file(plugin_context, home: Path, weights: Path) -> None:
    async def found(**settings) -> tuple[str, str]:
        context = plugin_context("local", settings=LocalSettings(**settings))
        (finding,) = await LocalCheck(context).check()
        return finding.level, f"{finding.text} {finding.mend}"

    level, said = await found()
    assert level == "warning"
    assert "hermes local fetch" in said
    (home / "models").mkdir()
    file = home / "models" / BUNDLED.file
    file.write_bytes(b"GGUF")
    assert (await found())[0] == "error"
    file.unlink()
    file.symlink_to(weights)
    assert (await found())[0] == "ok"
    level, said = await found(model="nowhere.gguf")
    assert level == "error"
    assert "nowhere.gguf" in said
    assert (await found(model=str(weights)))[0] == "ok"
