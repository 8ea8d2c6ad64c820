"""What ``hermes doctor`` asks of the local model."""

from __future__ import annotations

import asyncio

from hermes import Check, Finding, PluginContext
from hermes_plugin_local.gguf import GgufError
from hermes_plugin_local.models import Shelf


class LocalCheck(Check):
    """Looks whether the default model is there and whole."""

    def __init__(self, context: PluginContext) -> None:
        self._shelf = Shelf(context.paths.home, context.settings)

    async def check(self) -> tuple[Finding, ...]:
        return (await asyncio.to_thread(look, self._shelf),)


def look(shelf: Shelf) -> Finding:
    """Look at the default model's file; the bundled one is hashed. Blocks up to 0.5 s."""
    name = shelf.default
    bundled = shelf.is_bundled(name)
    mend = "hermes local fetch" if bundled else "name another file in local.model"
    try:
        model = shelf.open(name)
    except FileNotFoundError:
        if bundled:
            return Finding("warning", f"local model {name}: not fetched yet", mend)
        return Finding("error", f"local model: there is no file {shelf.file(name)}", mend)
    except (GgufError, OSError) as error:
        return Finding("error", f"local model: {error}", mend)
    how = "its hash is right" if bundled else "its format is right"
    return Finding("ok", f"local model {name}: {how}, {model.window} tokens of context")
