"""Programs that reach other machines: which, where that can be told."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from hermes_plugin_approvals.shell.effects import Does, Outcome, unknown
from hermes_plugin_approvals.shell.options import Misfit, Options, parse
from hermes_plugin_approvals.shell.words import Word

PROGRAMS = frozenset(
    [
        "curl",
        "wget",
        "ssh",
        "scp",
        "sftp",
        "rsync",
        "nc",
        "ncat",
        "netcat",
        "socat",
        "telnet",
        "ftp",
        "ping",
        "ping6",
        "traceroute",
        "dig",
        "host",
        "nslookup",
        "whois",
        "openssl",
        "http",
        "https",
        "xh",
        "aria2c",
        "lynx",
        "w3m",
        "links",
        "gh",
        "hub",
        "aws",
        "gcloud",
        "az",
        "kubectl",
        "psql",
        "mysql",
        "redis-cli",
        "mongosh",
        "nmap",
        "mail",
        "sendmail",
        "rclone",
        "s3cmd",
        "tftp",
    ]
)
_CURL = Options(
    flags="sSfvigkI",
    valued="mA",
    long="silent show-error fail head include compressed max-time= connect-timeout= user-agent=",
)
"""Options with which curl only fetches what its URLs name, from the hosts that they name."""


def judge(name: str, arguments: tuple[Word, ...]) -> Iterator[Outcome]:
    """Give one network effect per host; with an empty host where it is not known."""
    if name not in ("curl", "wget"):
        yield Does("network", None, "")
        yield unknown(f"{name} reaches another machine")
        return
    try:
        operands = parse(arguments, _CURL).operands if name == "curl" else None
    except Misfit as misfit:
        operands = None
        yield unknown(f"{name}: {misfit}")
    hosts = [host_of(word.text or "") for word in operands or ()]
    if not hosts or not all(hosts):
        yield Does("network", None, "")
        if operands is not None or name != "curl":
            yield unknown(f"{name} reaches another machine")
        return
    for host in hosts:
        yield Does("network", None, host)


def host_of(url: str) -> str:
    """Give host and, where it is said, port of a plain http(s) URL; empty for anything else."""
    if any(character in url for character in "{}[]\\@ "):  # curl's own globs, a user, a trick
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return parts.hostname if port is None else f"{parts.hostname}:{port}"
