"""What `hermes doctor` says of Apptainer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hermes.testing.apptainer import Apptainer
from hermes_plugin_singularity.checks import SingularityCheck
from hermes_plugin_singularity.settings import SingularitySettings


def using(backend: str) -> dict[str, Any]:
    """Give the kernel's section with the terminal that is in use."""
    return {"hermes": SimpleNamespace(terminal=SimpleNamespace(backend=backend))}


async def look(plugin_context: Any, program: str) -> Any:
    settings = SingularitySettings(program=program)
    context = plugin_context("singularity", settings=settings, sections=using("singularity"))
    (finding,) = await SingularityCheck(context).check()
    return finding


async def test_it_runs_the_program(plugin_context: Any, apptainer: Apptainer) -> None:
    found = await look(plugin_context, str(apptainer.program))
    assert found.level == "ok" and found.text.endswith("0 containers run")


async def test_a_program_that_is_missing_is_an_error(plugin_context: Any, tmp_path: Any) -> None:
    found = await look(plugin_context, str(tmp_path / "none"))
    assert found.level == "error" and "install Apptainer" in found.mend
