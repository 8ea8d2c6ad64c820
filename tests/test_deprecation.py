"""Something public goes: it says so, says when, and works until then."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import pytest

import hermes
from hermes import HermesDeprecation
from hermes.deprecation import RENAMED, Renamed, goes, warn


def test_it_stays_for_two_minor_versions() -> None:
    assert goes("1.2") == "1.4"
    assert goes("2.0.1") == "2.2"


def test_the_warning_names_what_when_and_instead_where_it_is_used() -> None:
    def shell() -> None:
        warn("Terminal.shell", since="1.2", instead="Terminal.run")

    with pytest.warns(HermesDeprecation) as heard:
        shell()

    assert str(heard[0].message) == (
        "Terminal.shell is deprecated since 1.2 and goes in 1.4 at the earliest: use Terminal.run"
    )
    assert heard[0].filename == __file__


def test_an_old_name_gives_the_new_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENAMED, "Toolkit", Renamed("Toolset", "1.1"))

    with pytest.warns(
        HermesDeprecation, match=r"hermes\.Toolkit is deprecated since 1\.1"
    ) as heard:
        assert hermes.Toolkit is hermes.Toolset  # type: ignore[attr-defined]
    assert heard[0].filename == __file__
    with pytest.raises(AttributeError, match="no attribute 'Toolbelt'"):
        _ = hermes.Toolbelt  # type: ignore[attr-defined]


def test_nothing_is_left_that_should_have_gone_with_the_major_version() -> None:
    major = hermes.__version__.split(".")[0]
    assert not [name for name, old in RENAMED.items() if old.since.split(".")[0] != major]
    assert not [old.now for old in RENAMED.values() if old.now not in hermes.__all__]


def test_a_plugin_that_uses_it_works_and_is_told_in_the_list(site: Any) -> None:
    site.install(
        "old",
        """
        from hermes import Toolkit
        @hookimpl
        def hermes_tools():
            return [Offer("it", "hermes_plugin_old.tools:It", "")]
        """,
        tools="""
        from hermes import Toolkit
        class It(Toolkit):
            def __init__(self, context): pass
            async def tools(self): return ()
        """,
    )
    program = """
import sys, hermes, hermes.discovery
more = "from hermes import deprecation as d; d.RENAMED['Toolkit'] = d.Renamed('Toolset', '1.0');"
exec(more)
hermes.discovery._CHILD = more + hermes.discovery._CHILD
from hermes.cli import main
sys.exit(main())
"""
    listed = site.python(program, "plugins").stdout
    assert "active" in listed
    assert (
        "warning: hermes.Toolkit is deprecated since 1.0 and goes in 1.2 at the earliest" in listed
    )


def test_nobody_pays_for_it(site: Any) -> None:
    done = site.python(
        "import sys, hermes; hermes.Offer; print('hermes.deprecation' in sys.modules)"
    )
    assert done.stdout == "False\n"
    assert "hermes.deprecation" in sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hermes.Offer  # noqa: B018
