"""What `hermes doctor` says of this machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hermes_plugin_local_terminal.checks import LocalTerminalCheck
from hermes_plugin_local_terminal.settings import LocalTerminalSettings


def using(backend: str) -> dict[str, Any]:
    """Give the kernel's section with the terminal that is in use."""
    return {"hermes": SimpleNamespace(terminal=SimpleNamespace(backend=backend))}


async def test_a_shell_that_is_missing_is_an_error_only_for_the_terminal_in_use(
    plugin_context: Any,
) -> None:
    async def found(shell: str, backend: str) -> Any:
        settings = LocalTerminalSettings(shell=shell)
        context = plugin_context("local-terminal", settings=settings, sections=using(backend))
        (finding,) = await LocalTerminalCheck(context).check()
        return finding

    good = await found("bash", "local")
    assert good.level == "ok" and good.text.endswith("/bash; commands may do what you may")
    bad = await found("no-such-shell", "local")
    assert bad.level == "error" and "no no-such-shell on the PATH" in bad.text
    assert "local-terminal.shell" in bad.mend
    other = await found("no-such-shell", "docker")
    assert other.level == "ok" and other.text.endswith("(not the terminal in use)")
