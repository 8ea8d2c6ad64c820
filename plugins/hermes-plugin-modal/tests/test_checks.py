"""What `hermes doctor` says of Modal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hermes.testing import modal
from hermes_plugin_modal.checks import ModalCheck
from hermes_plugin_modal.settings import ModalSettings


def using(backend: str) -> dict[str, Any]:
    """Give the kernel's section with the terminal that is in use."""
    return {"hermes": SimpleNamespace(terminal=SimpleNamespace(backend=backend))}


async def look(plugin_context: Any, cloud: modal.Cloud, secret: str, backend: str = "modal") -> Any:
    context = plugin_context(
        "modal",
        settings=ModalSettings(),
        sections=using(backend),
        secrets={"MODAL_TOKEN_ID": cloud.token_id, "MODAL_TOKEN_SECRET": secret},
        variables={"MODAL_SERVER_URL": cloud.url},
    )
    (finding,) = await ModalCheck(context).check()
    return finding


async def test_it_is_let_in(plugin_context: Any, cloud: modal.Cloud) -> None:
    found = await look(plugin_context, cloud, cloud.token_secret)
    assert found.level == "ok" and "it lets us in" in found.text


async def test_a_wrong_token_and_none_are_errors_and_not_tried_where_another_is_used(
    plugin_context: Any, cloud: modal.Cloud
) -> None:
    assert (await look(plugin_context, cloud, "wrong")).level == "error"
    none = await look(plugin_context, cloud, "")
    assert none.level == "error" and "MODAL_TOKEN_ID" in none.mend
    other = await look(plugin_context, cloud, "wrong", "local")
    assert other.level == "ok" and "not tried" in other.text
