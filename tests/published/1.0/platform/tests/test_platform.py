"""What is missing, and what the far side's troubles become."""

from __future__ import annotations

import pytest
from hermes import Failed, Part, SessionKey
from hermes.testing import MakeContext, MemoryInbox

from hermes_plugin_old_platform.platform import LinePlatform
from hermes_plugin_old_platform.server import ChatServer
from hermes_plugin_old_platform.settings import Settings


@pytest.mark.parametrize(
    ("host", "token", "said"),
    [
        ("", "secret", "old-platform.host says where the chat server is"),
        ("127.0.0.1", "", "old-platform.token: env:OLD_PLATFORM_TOKEN is not set"),
        ("127.0.0.1", "secret", ""),
    ],
)
def test_what_is_missing_is_said(
    plugin_context: MakeContext, host: str, token: str, said: str
) -> None:
    secrets = {"OLD_PLATFORM_TOKEN": token} if token else {}
    context = plugin_context("old-platform", settings=Settings(host=host), secrets=secrets)

    assert LinePlatform(context).missing() == said


async def test_a_server_that_is_gone_is_tried_again(plugin_context: MakeContext) -> None:
    server = ChatServer("secret")
    await server.start()
    settings = Settings(host="127.0.0.1", port=server.port)
    secrets = {"OLD_PLATFORM_TOKEN": "secret"}
    context = plugin_context("old-platform", settings=settings, secrets=secrets)
    platform = LinePlatform(context)
    await server.stop()

    with pytest.raises(Failed) as sending:
        await platform.send(Part(SessionKey("old-platform", "1"), "Hello"))
    with pytest.raises(Failed) as receiving:
        await platform.run(MemoryInbox())

    assert sending.value.failure.retryable
    assert receiving.value.failure.retryable
