"""What an entry of ``mcp_servers`` comes to: the one place that reads, checks and fills it in.

A bad entry sets aside its server only, with one line that names server and key.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from hermes import ConfigError, Secret, Secrets
from hermes_plugin_mcp.settings import WITHOUT_EFFECT, McpServer

REFERENCE = re.compile(r"(env|keyring|command):.+", re.DOTALL)
VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)\}")
PLAIN = re.compile(r"[^a-zA-Z0-9_-]+")
SECRET_LIKE = re.compile(r"authorization|token|secret|password|key", re.IGNORECASE)


class Plan(msgspec.Struct, frozen=True):
    """Everything needed to connect to one server, secrets filled in. Never shown or stored."""

    name: str
    timeout: float
    connect_timeout: float
    argv: tuple[str, ...] = ()
    """Program (an absolute path) and arguments; empty for a server over HTTP."""
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str = ""
    headers: dict[str, str] = {}
    sse: bool = False


def prefix(name: str) -> str:
    """Make the part of a tool's name that says the server: plain, no ``__``, at most 24 long."""
    return re.sub("_+", "_", PLAIN.sub("_", name)).strip("_")[:24].strip("_")


def problems(servers: Mapping[str, McpServer]) -> dict[str, str]:
    """Find what is wrong with entries as they are written: server name -> one line."""
    found: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    for name, server in servers.items():
        where = f"mcp_servers.{name}"
        other = prefixes.setdefault(prefix(name), name)
        if wrong := _wrong(server):
            found[name] = f"{where}{wrong}"
        elif not prefix(name):
            found[name] = f"{where}: the name needs a letter or a digit, for the names of its tools"
        elif other != name:
            found[name] = f"{where}: its tools would be named like those of {other}; rename one"
    return found


def _wrong(server: McpServer) -> str:
    over_http = server.transport in ("http", "streamable_http", "sse")
    if bool(server.command) == bool(server.url):
        both = "has both a command and a url" if server.url else "has neither a command nor a url"
        return f": {both}; write the one that it is reached by"
    if server.transport == "stdio" and server.url:
        return ".transport: stdio goes with a command, not with a url"
    if over_http and server.command:
        return f".transport: {server.transport} goes with a url, not with a command"
    if server.url and not re.match(r"https?://[^/]", server.url):
        return ".url: must begin with http:// or https:// and name a host"
    for key in ("timeout", "connect_timeout"):
        if not 0 < getattr(server, key) < 86_400 * 7:
            return f".{key}: must be more than 0 seconds"
    if server.idle_timeout_seconds < 0:
        return ".idle_timeout_seconds: must not be negative (0 means never)"
    for key in server.env:
        if not key or "=" in key or "\0" in key:
            return f".env: {key!r} is no name of a variable"
    return ""


def warnings(name: str, server: McpServer, redact: Callable[[str], str]) -> Iterable[str]:
    """Say what works but is not as it looks. What *redact* takes out came from a secret place."""
    where = f"mcp_servers.{name}"
    idle = [key for key in WITHOUT_EFFECT if getattr(server, key) is not None]
    idle += [f"tools.{key}" for key in ("resources", "prompts") if getattr(server.tools, key)]
    if idle:
        yield f"{where}: {', '.join(idle)}: not supported, without effect"
    for section, values in (("env", server.env), ("headers", server.headers)):
        for key, value in values.items():
            text = str(value)
            written = redact(text) == text and not REFERENCE.fullmatch(text) and "${" not in text
            if written and len(text) > 11 and SECRET_LIKE.search(key):
                yield (
                    f"{where}.{section}.{key}: looks like the secret itself;"
                    " put it in .env and write ${NAME} for it"
                )


def fill(name: str, server: McpServer, secrets: Secrets, allowed: Mapping[str, str]) -> Plan:
    """Fill in what the entry refers to; *allowed* is the environment that every child gets.

    Raises ConfigError with the line to show.
    """
    where = f"mcp_servers.{name}"
    value = _Filler(secrets)
    if server.url:
        return Plan(
            name,
            server.timeout,
            server.connect_timeout,
            url=value(f"{where}.url", server.url, whole=False),
            headers={k: value(f"{where}.headers.{k}", v) for k, v in server.headers.items()},
            sse=server.transport == "sse",
        )
    env = {**allowed, **{k: value(f"{where}.env.{k}", v) for k, v in server.env.items()}}
    return Plan(
        name,
        server.timeout,
        server.connect_timeout,
        argv=(program(name, server, env.get("PATH")), *map(_text, server.args)),
        env=env,
        cwd=folder(name, server),
    )


def program(name: str, server: McpServer, path: str | None) -> str:
    """Find the program to start. Raises ConfigError."""
    command = str(Path(server.command).expanduser()) if "/" in server.command else server.command
    found = shutil.which(command, path=path)
    if found is None:
        raise ConfigError(
            f"mcp_servers.{name}.command: {server.command} is not an executable found here;"
            " install it or write its full path"
        )
    return str(Path(found).absolute())


def folder(name: str, server: McpServer) -> str | None:
    """Give the folder to start in. Raises ConfigError."""
    if not server.cwd:
        return None
    path = Path(server.cwd).expanduser()
    if not path.is_dir():
        raise ConfigError(f"mcp_servers.{name}.cwd: there is no folder {server.cwd}")
    return str(path)


def fingerprint(server: McpServer) -> str:
    """Name what the entry connects to, so that a list of tools is not kept for another server."""
    parts = (server.command, server.args, server.env, server.cwd, server.url, server.headers)
    encoded = msgspec.json.encode((*parts, server.transport), order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:32]


class _Filler:
    """Puts secrets in the place of references."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, where: str, value: object, *, whole: bool = True) -> str:
        text = _text(value)
        if whole and REFERENCE.fullmatch(text):
            return self._get(where, text)
        return VARIABLE.sub(lambda match: self._get(where, f"env:{match[1]}"), text)

    def _get(self, where: str, reference: str) -> str:
        found = self._secrets.get(Secret(reference))
        if found is None:
            scheme, _, name = reference.partition(":")
            mend = f"{name} is not set; put it in .env" if scheme == "env" else f"no {scheme} value"
            raise ConfigError(f"{where}: {mend}")
        return found


def _text(value: object) -> str:
    """Write a YAML scalar as a person wrote it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
