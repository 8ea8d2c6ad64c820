"""``hermes webhook`` and the doctor's check, on a real home."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import Allowance, HermesError, UsageError
from hermes.grants import Grants
from hermes.plugins import Host
from hermes.testing import CommandContract, MemoryInbox, MemoryStore, make_context
from hermes.testing.commands import FakeCommandContext, give
from hermes.testing.servers import free_port
from hermes_plugin_webhook.checks import WebhookCheck
from hermes_plugin_webhook.commands import webhook
from hermes_plugin_webhook.platform import WebhookPlatform


async def run(home: Path, *arguments: str, grants: Grants | None = None) -> str:
    runtime = SimpleNamespace(grants=grants or Grants(MemoryStore()))
    context = FakeCommandContext("cli", host=Host.open(home), runtime=runtime)
    await give(webhook, *arguments, context=context)
    return context.text


@pytest.fixture
async def served(home: Path) -> Any:
    """Give a function that serves the home's routes into an inbox."""
    tasks: list[asyncio.Task[None]] = []

    async def start() -> MemoryInbox:
        host = Host.open(home)
        settings = host.config.section("webhook")
        secrets = {name: host.secrets.variable(name) or "" for name in host.secrets.file_values()}
        context = make_context("webhook", home=home, settings=settings, secrets=secrets)
        platform, inbox = WebhookPlatform(context), MemoryInbox()
        assert platform.missing() == ""
        tasks.append(asyncio.ensure_future(platform.run(inbox)))
        await platform.listening.wait()
        return inbox

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_route_is_added_listed_tried_and_removed(home: Path, served: Any) -> None:
    port = free_port()
    (home / "config.yaml").write_text(f"# mine\nwebhook:\n  port: {port}\n")
    assert "There are no routes" in await run(home)
    said = await run(
        home,
        "subscribe",
        "gh-issues",
        *("--events", "issues, issue_comment", "--prompt", "Issue: {issue.title}"),
        *("--deliver", "telegram", "--deliver-chat-id", "-100", "--description", "Triage"),
    )
    assert f"http://127.0.0.1:{port}/webhooks/gh-issues" in said
    secret = re.search(r"Secret: ([0-9a-f]{64}) ", said)
    assert secret is not None
    written = (home / "config.yaml").read_text()
    assert written.startswith("# mine\n")
    assert secret[1] not in written
    assert f"WEBHOOK_SECRET_GH_ISSUES={secret[1]}" in (home / ".env").read_text()
    listed = await run(home, "list")
    assert "gh-issues [issues, issue_comment]" in listed
    assert "answers to telegram\n  Triage" in listed
    assert "not served" not in listed
    with pytest.raises(UsageError, match="there is a route gh-issues already"):
        await run(home, "subscribe", "gh-issues")

    with pytest.raises(HermesError, match="does not answer"):
        await run(home, "test", "gh-issues")
    inbox = await served()
    payload = '{"issue": {"title": "It rains in"}}'
    assert "202" in await run(home, "test", "gh-issues", "--payload", payload)
    (message,) = inbox.messages
    assert "<outside>It rains in</outside>" in message.text
    assert message.answer_to is not None
    assert (message.answer_to.platform, message.answer_to.chat) == ("telegram", "-100")

    await run(home, "remove", "gh-issues")
    assert "There are no routes" in await run(home)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("subscribe", "No Good"), "is no name for a route"),
        (("subscribe", "x", "--deliver-only"), "deliver_only needs a target"),
        (("subscribe", "x", "--deliver", "github_comment"), "github_comment is not there"),
        (("remove", "x"), "no route 'x'; there are: there is none"),
        (("test", "x"), "no route 'x'"),
    ],
)
async def test_what_cannot_be_done_says_so_and_changes_nothing(
    home: Path, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        await run(home, *arguments)
    assert not (home / "config.yaml").exists()
    assert not (home / ".env").exists()


async def test_a_route_that_goes_takes_its_grants_along(home: Path) -> None:
    """Another of its name, made later, has none of them."""
    grants = Grants(MemoryStore())
    for holder in ("route:gone", "route:stays"):
        await grants.give(holder, Allowance("", frozenset({"read"})), by="owner")
    await run(home, "subscribe", "gone")
    assert "Revoked: g-" in await run(home, "remove", "gone", grants=grants)
    assert [given.holder for given in await grants.all()] == ["route:stays"]


async def test_a_route_without_a_secret_is_shown_as_what_it_is(home: Path) -> None:
    (home / "config.yaml").write_text("webhook:\n  routes:\n    bare: {}\n")
    listed = await run(home)
    assert "not served: it has no secret in .env" in listed
    assert "Webhooks are not served: set webhook.enabled" in listed
    with pytest.raises(UsageError, match="bare: it has no secret"):
        await run(home, "test", "bare")


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("", "ok", "not enabled"),
        ("webhook: {enabled: true}", "error", "no routes"),
        ("webhook: {enabled: true, routes: {r: {}}}", "error", "routes.r has no secret"),
        ("webhook: {enabled: true, routes: {r: {}}}\n#", "ok", "1 route"),
    ],
)
async def test_the_doctor_says_what_the_routes_lack(
    home: Path, text: str, level: str, said: str
) -> None:
    (home / "config.yaml").write_text(text)
    if text.endswith("#"):
        (home / ".env").write_text("WEBHOOK_SECRET=s3cret\n")
    (finding,) = await WebhookCheck(Host.open(home).context("webhook")).check()
    assert (finding.level, said in finding.text) == (level, True)


class TestWebhookCommand(CommandContract):
    @pytest.fixture
    def command(self) -> Any:
        return webhook
