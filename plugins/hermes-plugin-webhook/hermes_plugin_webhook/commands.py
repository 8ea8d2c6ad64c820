"""``hermes webhook``: add, list, try and remove routes."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
import urllib.error
import urllib.request
from typing import Any

import click

from hermes import CommandContext, HermesError, Secret, UsageError, clean, group
from hermes_plugin_webhook.routes import ActiveRoute
from hermes_plugin_webhook.settings import Route, WebhookSettings
from hermes_plugin_webhook.signatures import sign

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TRY = {"test": True, "message": "A test by hermes webhook test."}


@group("webhook", surfaces={"cli"})
async def webhook(context: CommandContext) -> None:
    """Add, list, try and remove routes by which other services start turns."""
    await _list(context)


@webhook.command("list")
async def list_(context: CommandContext) -> None:
    """List the routes, where they are reached, and what each lacks."""
    await _list(context)


async def _list(context: CommandContext) -> None:
    settings = _settings(context)
    if not settings.routes:
        context.reply("There are no routes: hermes webhook subscribe NAME adds one.")
    for name, route in settings.routes.items():
        to = "passes on to" if route.deliver_only else "answers to"
        events = f" [{', '.join(route.events)}]" if route.events else ""
        context.reply(f"{name}{events}: {_url(settings, name)} {to} {route.deliver}")
        if route.description:
            context.reply(f"  {route.description}")
        if problem := _problem(context, settings, name):
            context.reply(f"  not served: {problem}")
    if settings.routes and not settings.enabled:
        context.reply("Webhooks are not served: set webhook.enabled to true.")


@webhook.command()
@click.argument("name")
@click.option("--prompt", default="", help="What the model is told; {a.b} is a field.")
@click.option("--events", default="", metavar="A,B", help="Kinds that are taken; all if left out.")
@click.option("--description", default="", help="What it is for.")
@click.option("--skills", default="", metavar="A,B", help="Skills that the model is to use.")
@click.option("--deliver", default="log", show_default=True, help="Where the answer goes.")
@click.option("--deliver-chat-id", default="", help="The chat of that platform.")
@click.option("--deliver-only", is_flag=True, help="Pass the prompt on; ask no model.")
@click.option("--secret", default="", help="What the sender signs with; made if left out.")
async def subscribe(context: CommandContext, name: str, secret: str, **given: Any) -> None:
    """Add a route, and say its address and its secret once."""
    settings = _settings(context)
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a route: small letters, digits, - and _")
    if name in settings.routes:
        raise UsageError(f"there is a route {name} already (hermes webhook remove {name})")
    route = _route(given)
    if problem := ActiveRoute(name, route, rate_limit=1).problem():
        raise UsageError(problem)
    variable = f"WEBHOOK_SECRET_{name.upper().replace('-', '_')}"
    secret = secret or secrets.token_hex(32)
    context.host.secrets.set(variable, secret)
    written = {key: value for key, value in given.items() if value not in ("", False)}
    written |= {key: _listed(given[key]) for key in ("events", "skills") if given[key]}
    if chat := written.pop("deliver_chat_id", ""):
        written["deliver_extra"] = {"chat_id": chat}
    context.host.config.set(f"webhook.routes.{name}", {"secret": f"env:{variable}", **written})
    if not settings.enabled:
        context.host.config.set("webhook.enabled", True)
    context.reply(f"Address: {_url(settings, name)}")
    context.reply(f"Secret: {secret}  (in .env as {variable}; it is not shown again)")
    context.reply("It is served from the next start on: hermes gateway restart")


def _route(given: dict[str, Any]) -> Route:
    return Route(
        prompt=given["prompt"],
        events=tuple(_listed(given["events"])),
        skills=tuple(_listed(given["skills"])),
        deliver=given["deliver"],
        deliver_only=given["deliver_only"],
    )


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


@webhook.command()
@click.argument("name")
async def remove(context: CommandContext, name: str) -> None:
    """Take a route out; what it took in and is not worked on yet does not run."""
    _named(_settings(context), name)
    context.host.config.unset(f"webhook.routes.{name}")
    grants = (await context.runtime()).grants
    for given in await grants.all():  # or another route of this name would have them
        if given.holder == f"route:{name}" and await grants.revoke(given.id):
            context.reply(f"Revoked: {given.id}")
    context.reply(f"{name} is gone from the next start on: hermes gateway restart")


@webhook.command()
@click.argument("name")
@click.option("--payload", default="", metavar="JSON", help="What to send.")
async def test(context: CommandContext, name: str, payload: str) -> None:
    """Send a signed event to a route of the gateway that runs, and say what it answered."""
    settings = _settings(context)
    route = _named(settings, name)
    if problem := _problem(context, settings, name):
        raise UsageError(f"{name}: {problem}")
    if settings.port == 0:
        raise UsageError("webhook.port is 0, so nobody can know where it listens")
    try:
        body = json.dumps(json.loads(payload) if payload else TRY).encode()
    except ValueError as error:
        raise UsageError(f"--payload is not JSON: {error}") from None
    headers = sign(route.signature, body, _secret(context, settings, route), now=int(time.time()))
    headers |= {"content-type": "application/json", "x-request-id": secrets.token_hex(8)}
    if route.events:
        headers["x-github-event"] = route.events[0]
    status, said = await asyncio.to_thread(_post, _url(settings, name), body, headers)
    context.reply(f"{status}: {said}")
    if status >= 300:
        raise HermesError("it was not taken in")


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, clean(answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, clean(error.read().decode(errors="replace"))
    except OSError as error:
        why = getattr(error, "reason", error)
        raise HermesError(f"{url} does not answer: {why} (hermes gateway status)") from None


def _settings(context: CommandContext) -> WebhookSettings:
    settings: WebhookSettings = context.host.config.section("webhook")
    return settings


def _named(settings: WebhookSettings, name: str) -> Route:
    if name not in settings.routes:
        some = ", ".join(settings.routes) or "there is none"
        raise UsageError(f"no route {name!r}; there are: {some}")
    return settings.routes[name]


def _problem(context: CommandContext, settings: WebhookSettings, name: str) -> str:
    route = settings.routes[name]
    if problem := ActiveRoute(name, route, rate_limit=1).problem():
        return problem
    return "" if _secret(context, settings, route) else "it has no secret in .env"


def _secret(context: CommandContext, settings: WebhookSettings, route: Route) -> str:
    reference: Secret = route.secret or settings.secret
    return context.host.secrets.get(reference) or ""


def _url(settings: WebhookSettings, name: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"http://{host}:{settings.port}/webhooks/{name}"
