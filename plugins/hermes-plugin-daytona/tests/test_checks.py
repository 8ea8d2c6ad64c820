"""What `hermes doctor` says of Daytona."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hermes.testing import daytona
from hermes_plugin_daytona.checks import DaytonaCheck
from hermes_plugin_daytona.settings import DaytonaSettings


def using(backend: str) -> dict[str, Any]:
    """Give the kernel's section with the terminal that is in use."""
    return {"hermes": SimpleNamespace(terminal=SimpleNamespace(backend=backend))}


async def look(
    plugin_context: Any, cloud: daytona.Cloud, key: str, backend: str = "daytona"
) -> Any:
    context = plugin_context(
        "daytona",
        settings=DaytonaSettings(api_url=cloud.url, target="us"),
        sections=using(backend),
        secrets={"DAYTONA_API_KEY": key},
    )
    (finding,) = await DaytonaCheck(context).check()
    return finding


async def test_it_is_let_in(plugin_context: Any, cloud: daytona.Cloud) -> None:
    found = await look(plugin_context, cloud, cloud.key)
    assert found.level == "ok" and "it lets us in" in found.text


async def test_a_wrong_key_and_none_are_errors_and_not_tried_where_another_is_used(
    plugin_context: Any, cloud: daytona.Cloud
) -> None:
    assert (await look(plugin_context, cloud, "wrong")).level == "error"
    none = await look(plugin_context, cloud, "")
    assert none.level == "error" and "DAYTONA_API_KEY" in none.mend
    other = await look(plugin_context, cloud, "wrong", "local")
    assert other.level == "ok" and "not tried" in other.text
