"""What the contract cannot know of this vendor."""

from __future__ import annotations

import pytest
from hermes import Failed, FailureKind
from hermes.testing import MakeContext, OpenAIServer, Raw, make_request

from hermes_plugin_old_provider.provider import ChatProvider
from hermes_plugin_old_provider.settings import Settings


async def refused(make: MakeContext, server: OpenAIServer, key: str = "") -> Failed:
    """Ask, and give the failure."""
    settings, secrets = Settings(base_url=server.url), {"OLD_PROVIDER_API_KEY": key}
    context = make("old-provider", settings=settings, secrets=secrets)
    provider = ChatProvider(context)
    await provider.open()
    try:
        with pytest.raises(Failed) as caught:
            await provider.stream(make_request("Hello", model="old-provider:test"))
    finally:
        await provider.close()
    return caught.value


async def test_a_wrong_key_is_an_authentication_failure(plugin_context: MakeContext) -> None:
    async with OpenAIServer(key="sk-right") as server:
        failed = await refused(plugin_context, server, "sk-wrong")

    assert failed.failure.kind == "auth"
    assert "sk-wrong" not in failed.failure.message


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (Raw(b"data: {not json\n\n"), "transient"),
        (Raw(b'data: {"error": {"message": "Overloaded"}}\n\n'), "transient"),
        (Raw(b'data: {"error": {"code": "content_filter"}}\n\n'), "content_filter"),
        (Raw(b"data: [DONE]\n\n"), "transient"),
        (Raw(b"<html>Bad gateway</html>", status=502, content_type="text/html"), "transient"),
        (Raw(b"", status=404, content_type="text/plain"), "bad_request"),
    ],
)
async def test_what_no_good_vendor_sends_is_classified_too(
    plugin_context: MakeContext, raw: Raw, kind: FailureKind
) -> None:
    async with OpenAIServer() as server:
        server.will(raw)
        failed = await refused(plugin_context, server)

    assert failed.failure.kind == kind
    assert failed.failure.source == "old-provider"


async def test_nobody_there_is_transient(plugin_context: MakeContext) -> None:
    async with OpenAIServer() as server:
        pass
    assert (await refused(plugin_context, server)).failure.kind == "transient"
