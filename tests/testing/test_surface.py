"""What the kit offers by name is there, and naming it costs nothing before it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

from hermes import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_resolves_and_says_what_it_is(name: str) -> None:
    value = getattr(testing, name)

    assert value.__doc__
    assert value.__module__.startswith("hermes.testing.")


def test_checkers_know_the_same_names() -> None:
    tree = ast.parse(inspect.getsource(testing))
    imported = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hermes.testing.")
        for alias in node.names
    }

    assert imported == set(testing.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'FakePlatfrom'"):
        testing.FakePlatfrom  # noqa: B018


def test_importing_the_kit_imports_nothing_of_it() -> None:
    code = "import sys, hermes.testing; print(*(m for m in sys.modules if 'hermes' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) == {"hermes", "hermes.testing"}
