"""The plugin is whole."""

from __future__ import annotations

from hermes.testing import PluginContract


class TestAPIServerPlugin(PluginContract):
    distribution = "hermes-plugin-api-server"
