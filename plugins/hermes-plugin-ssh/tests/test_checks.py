"""What `hermes doctor` says of the machine behind SSH."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hermes.testing.sshd import SSHServer
from hermes_plugin_ssh.checks import SSHCheck
from hermes_plugin_ssh.settings import SSHSettings


def using(backend: str) -> dict[str, Any]:
    """Give the kernel's section with the terminal that is in use."""
    return {"hermes": SimpleNamespace(terminal=SimpleNamespace(backend=backend))}


async def look(plugin_context: Any, server: SSHServer, backend: str = "ssh", **other: Any) -> Any:
    given = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": server.user,
        "key": str(server.key),
        "known_hosts": str(server.known_hosts),
        "config": "",
        **other,
    }
    context = plugin_context("ssh", settings=SSHSettings(**given), sections=using(backend))
    (finding,) = await SSHCheck(context).check()
    return finding


async def test_it_logs_in(plugin_context: Any, server: SSHServer) -> None:
    found = await look(plugin_context, server)
    assert found.level == "ok" and found.text.endswith("lets us in")


async def test_what_does_not_answer_is_an_error_and_is_not_asked_where_another_is_used(
    plugin_context: Any, server: SSHServer
) -> None:
    found = await look(plugin_context, server, port=1)
    assert found.level == "error" and "must work" in found.mend
    other = await look(plugin_context, server, "local", port=1)
    assert other.level == "ok" and "not looked at" in other.text
    assert "no host (ssh.host)" in (await look(plugin_context, server, host="")).text
