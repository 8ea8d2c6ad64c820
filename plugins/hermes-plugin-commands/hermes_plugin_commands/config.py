"""``config``: what is set, where, and to what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click
import yaml

from hermes import CommandContext, ConfigError, HermesError, group
from hermes_plugin_commands.words import count

SECRET = re.compile(r"(?i)(^|[_-])(key|token|secret|password|passwd|credentials?|authorization)s?$")
"""Names of keys whose values are not shown, unless they are references."""
REFERENCE = re.compile(r"(env|keyring|command):|\$\{")
HIDDEN = "[secret]"


@group()
async def config(context: CommandContext) -> None:
    """Show and change settings."""
    _show(context)


@config.command()
async def show(context: CommandContext) -> None:
    """Show everything that is set, and where."""
    _show(context)


def _show(context: CommandContext) -> None:
    settings = context.host.config
    keys = list(_keys(_file_data(context)))
    if not keys:
        context.reply(f"Nothing is set in {settings.file}; everything is at its default.")
    for key in keys:
        try:
            found = settings.explain(key)
        except ConfigError as error:
            context.reply(f"# {error}")
            continue
        source = "" if found.source == "default" else f"  # {found.source}"
        context.reply(f"{key} = {_value(context, key, found.value)}{source}")
    for problem in settings.problems:
        context.reply(f"# {problem.level}: {problem}")


@config.command()
@click.argument("key")
async def get(context: CommandContext, key: str) -> None:
    """Print the value of a key: what is set, else its default."""
    value = context.host.config.get(key)
    shown = _hidden(context, key, value)
    if isinstance(shown, str):
        context.reply(shown)
    else:
        context.reply(json.dumps(shown, ensure_ascii=False, default=str))


@config.command("set")
@click.argument("key")
@click.argument("value")
async def set_(context: CommandContext, key: str, value: str) -> None:
    """Set a key. A secret goes into .env, and the file keeps the reference."""
    done = context.host.config.set(key, value)
    if SECRET.search(key.rpartition(".")[2]) and not REFERENCE.match(value):
        done = done.replace(json.dumps(value, ensure_ascii=False), HIDDEN).replace(value, HIDDEN)
    context.reply(context.host.secrets.redact(done))


@config.command()
@click.argument("key")
async def unset(context: CommandContext, key: str) -> None:
    """Take a key out of the file, so that its default holds."""
    settings = context.host.config
    settings.unset(key)
    context.reply(f"{key} = {_value(context, key, settings.get(key))} (default)")


@config.command()
async def path(context: CommandContext) -> None:
    """Print where the file is."""
    context.reply(str(context.host.config.file))


@config.command()
@click.argument("key")
async def explain(context: CommandContext, key: str) -> None:
    """Say what a key is, where that comes from, and what it shadows."""
    found = context.host.config.explain(key)
    context.reply(f"{key} = {_value(context, key, found.value)}")
    context.reply(f"  from {found.source}")
    for shadowed in found.shadows:
        context.reply(f"  over {_shadow(context, key, shadowed)}")


@config.command()
async def check(context: CommandContext) -> None:
    """Say what is wrong with the configuration."""
    settings = context.host.config
    problems = settings.problems
    for problem in problems:
        context.reply(f"{problem.level}: {problem}")
    wrong = [problem for problem in problems if problem.level == "error"]
    if wrong:
        raise HermesError(f"{settings.file}: {count(len(wrong), 'error')}")
    if not problems:
        context.reply(f"{settings.file}: in order")


def _file_data(context: CommandContext) -> dict[str, Any]:
    """Read the file as it is, only for the names of its keys."""
    try:
        data = yaml.safe_load(context.host.config.file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}  # `problems` says why
    return data if isinstance(data, dict) else {}


def _keys(data: dict[str, Any], above: str = "") -> Iterator[str]:
    """Give the dotted names of all values, in the file's order."""
    for name, value in data.items():
        dotted = f"{above}{name}"
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{dotted}.")
        else:
            yield dotted


def _value(context: CommandContext, key: str, value: Any) -> str:
    hidden = _hidden(context, key, value)
    return context.host.secrets.redact(json.dumps(hidden, ensure_ascii=False, default=str))


def _hidden(context: CommandContext, key: str, value: Any) -> Any:
    """Give *value* without secrets, whatever their depth."""
    if isinstance(value, dict):
        return {name: _hidden(context, str(name), each) for name, each in value.items()}
    if isinstance(value, list):
        return [_hidden(context, key, each) for each in value]
    if not isinstance(value, str):
        return value
    if SECRET.search(key.rpartition(".")[2]) and value and not REFERENCE.match(value):
        return HIDDEN
    return context.host.secrets.redact(value)


def _shadow(context: CommandContext, key: str, text: str) -> str:
    where, equals, value = text.partition(" = ")
    if not equals:
        return context.host.secrets.redact(text)
    try:
        return f"{where} = {_value(context, key, json.loads(value))}"
    except ValueError:
        return context.host.secrets.redact(text)
