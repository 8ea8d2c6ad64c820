"""What `hermes doctor` says of the sandbox."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hermes.testing.servers import need
from hermes_plugin_sandbox import checks
from hermes_plugin_sandbox.settings import SandboxSettings


def using(backend: str) -> dict[str, Any]:
    """Give the kernel's section with the terminal that is in use."""
    return {"hermes": SimpleNamespace(terminal=SimpleNamespace(backend=backend))}


async def look(plugin_context: Any, **settings: Any) -> Any:
    given = SandboxSettings(**settings)
    context = plugin_context("sandbox", settings=given, sections=using("sandbox"))
    (finding,) = await checks.SandboxCheck(context).check()
    return finding


async def test_it_starts_one(plugin_context: Any) -> None:
    need("bwrap", apt="bubblewrap")
    found = await look(plugin_context, engine="bwrap")
    assert found.level == "ok" and "bubblewrap starts; memory" in found.text


async def test_what_is_missing_is_named_with_what_helps(
    plugin_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "chosen", lambda engine: "")
    monkeypatch.setattr(checks.holder, "found", lambda: "")
    found = await look(plugin_context)
    assert found.level == "error" and "no bwrap or nsenter is installed" in found.text
    assert "apt install bubblewrap" in found.mend


async def test_a_bubblewrap_that_cannot_make_namespaces_says_what_it_said(
    plugin_context: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(checks, "chosen", lambda engine: "bwrap")
    monkeypatch.setattr(checks.holder, "found", lambda: str(fake))
    found = await look(plugin_context)
    assert found.level == "error" and "No permissions to create new namespace" in found.text
