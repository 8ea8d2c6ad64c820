"""``hermes secrets``: what is declared, where it is set, and setting it. No value is ever shown."""

from __future__ import annotations

import getpass
import json
import re
import sys
from typing import Any

import click

from hermes import CommandContext, HermesError, UsageError, group

SERVICE = "hermes"
"""The name under which the OS keyring keeps what is set here."""
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


@group(surfaces={"cli"})
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def secrets(context: CommandContext, as_json: bool) -> None:
    """List, set and remove secrets, never showing one."""
    _list(context, as_json)


@secrets.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def list_(context: CommandContext, as_json: bool) -> None:
    """List the secrets that plugins ask for, and where each is set."""
    _list(context, as_json)


def _list(context: CommandContext, as_json: bool) -> None:
    declared = context.host.secret_references()
    names = {reference.removeprefix("env:") for reference in declared}
    rows = [
        {"secret": reference, "for": list(plugins), "set": _where(context, reference)}
        for reference, plugins in sorted(declared.items())
    ]
    others = sorted(set(context.host.secrets.file_values()) - names)
    rows += [{"secret": f"env:{name}", "for": [], "set": ".env"} for name in others]
    if as_json:
        return context.reply(json.dumps(rows, indent=2))
    for row in rows:
        users = ", ".join(row["for"]) or "nobody"
        context.reply(f"{row['secret']:40} {row['set'] or 'not set':12} for {users}")
    return None


def _where(context: CommandContext, reference: str) -> str:
    scheme, _, name = reference.partition(":")
    return context.host.secrets.origin(name) if scheme == "env" else scheme


@secrets.command("set")
@click.argument("name")
@click.option("--keyring", is_flag=True, help="Keep it in the system's keyring, not in .env.")
async def set_(context: CommandContext, name: str, keyring: bool) -> None:
    """Set a secret: NAME is a key of the configuration (openai.api_key) or a variable.

    The value is asked for without showing it, or read from standard input.
    """
    value = _asked(name)
    if VARIABLE.fullmatch(name):
        if keyring:
            _keyring().set_password(SERVICE, name, value)
            reference = f"keyring:{SERVICE}/{name}"
            return context.reply(f"kept in the keyring; refer to it as {reference}")
        context.host.secrets.set(name, value)
        return context.reply(f"{name} is kept in {context.host.secrets.env_file}")
    if keyring:
        reference = f"keyring:{SERVICE}/{name}"
        _keyring().set_password(SERVICE, name, value)
        context.host.config.set(name, reference)
        return context.reply(f"{name} = {reference}")
    said = context.host.config.set(name, value)
    return context.reply(context.host.secrets.redact(said))


@secrets.command()
@click.argument("name")
async def remove(context: CommandContext, name: str) -> None:
    """Remove a variable from .env, or a key's entry from the keyring."""
    if not VARIABLE.fullmatch(name):
        reference = str(context.host.config.get(name))
        if not reference.startswith(f"keyring:{SERVICE}/"):
            raise UsageError(f"{name} is {reference}; name that variable instead")
        _keyring().delete_password(SERVICE, reference.rpartition("/")[2])
        context.host.config.unset(name)
    elif not context.host.secrets.unset(name):
        raise HermesError(f"{name} is not in {context.host.secrets.env_file}")
    context.reply(f"{name} is removed")


def _asked(name: str) -> str:
    value = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.read().rstrip("\r\n")
    if not value:
        raise UsageError(f"{name}: no value was given")
    return value


def _keyring() -> Any:
    try:
        import keyring  # noqa: PLC0415
    except ImportError:
        raise HermesError(
            "the system's keyring needs a package: pip install 'hermes-plugin-redaction[keyring]'"
        ) from None
    return keyring
