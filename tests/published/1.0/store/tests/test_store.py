"""What is on the disk, whatever happens to the process or to the disk."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hermes import Append, Describe, Enqueue, Record, Settle, StoreError, UserSaid
from hermes.testing import ScriptedProvider, make_key, open_runtime

from hermes_plugin_old_store import store as module
from hermes_plugin_old_store.store import LineStore


async def opened(file: Path) -> LineStore:
    store = LineStore(file)
    await store.open()
    return store


def everything(file: Path) -> str:
    """Give what is in the file, and what stands there in base64 in words too."""
    text = file.read_text()
    coded = re.findall(r'"((?:[\w+/]{4}){2,}(?:[\w+/]{2}==|[\w+/]{3}=)?)"', text)
    return text + "".join(b64decode(each).decode(errors="ignore") for each in coded)


def said(text: str) -> Append:
    return Append("s", (Record("t", UserSaid(text=text)),))


async def test_a_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    file, key = tmp_path / "journal.jsonl", make_key()
    model = ScriptedProvider("Hello, Ann.", "You are Ann.")

    for text in ("I am Ann.", "Who am I?"):
        async with open_runtime(tmp_path, provider=model, store=LineStore(file)) as runtime:
            async for _ in runtime.session(key).send(text):
                pass

    sent = "".join(str(message) for message in model.requests[1].messages)
    assert "I am Ann." in sent
    assert "Hello, Ann." in sent


async def test_a_line_that_was_cut_off_is_passed_over_and_written_over(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    await (await opened(file)).commit([said("whole")])
    with file.open("ab") as torn:
        torn.write(b'{"time":17')

    store = await opened(file)
    assert len(await store.records("s")) == 1
    await store.commit([said("after")])

    assert len(await (await opened(file)).records("s")) == 2


async def test_what_is_forgotten_is_gone_from_the_disk_and_for_another_process(
    tmp_path: Path,
) -> None:
    file = tmp_path / "journal.jsonl"
    store, other = await opened(file), await opened(file)
    kept = Append("kept", (Record("t", UserSaid(text="harmless")),))
    await store.commit([said("the canary sings"), Describe("s", title="canary"), kept])
    await store.commit([Enqueue("inbox", "k", b"canary"), Settle("inbox", "k", "answered")])
    assert len(await other.records("s")) == 1
    assert everything(file).count("canary") == 3

    assert await store.erase(["s"], "asked to") == 1

    assert "canary" not in everything(file)
    assert await other.session("s") is None
    await other.commit([kept])
    assert len(await store.records("kept")) == 2


async def test_what_the_disk_did_not_take_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(tmp_path / "journal.jsonl")
    await store.commit([said("one")])

    def full(file: BinaryIO, *_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "append", full)
        with pytest.raises(StoreError, match="No space left"):
            await store.commit([said("two")])
    await store.commit([said("three")])

    assert [record.body for record in await store.records("s")] == [
        UserSaid(text="one"),
        UserSaid(text="three"),
    ]
