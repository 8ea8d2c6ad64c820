"""What `hermes doctor` says of Docker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hermes.testing.dockerd import Dockerd
from hermes_plugin_docker.checks import DockerCheck
from hermes_plugin_docker.settings import DockerSettings


def using(backend: str) -> dict[str, Any]:
    """Give the kernel's section with the terminal that is in use."""
    return {"hermes": SimpleNamespace(terminal=SimpleNamespace(backend=backend))}


async def look(plugin_context: Any, host: str, backend: str = "docker") -> Any:
    settings = DockerSettings(host=host)
    context = plugin_context("docker", settings=settings, sections=using(backend))
    (finding,) = await DockerCheck(context).check()
    return finding


async def test_the_daemon_says_who_it_is(plugin_context: Any, dockerd: Dockerd) -> None:
    found = await look(plugin_context, dockerd.url)
    assert found.level == "ok" and " answers" in found.text


async def test_no_daemon_is_an_error_only_for_the_terminal_in_use(
    plugin_context: Any, tmp_path: Any
) -> None:
    nobody = f"unix://{tmp_path}/docker.sock"
    found = await look(plugin_context, nobody)
    assert found.level == "error" and "is the daemon running" in found.text
    assert "docker version" in found.mend
    assert (await look(plugin_context, nobody, "local")).level == "ok"
