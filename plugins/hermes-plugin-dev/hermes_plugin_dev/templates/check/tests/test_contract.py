"""The plugin is whole."""

from __future__ import annotations

from hermes.testing import PluginContract


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"
