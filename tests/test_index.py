"""Listing plugins: what a bad one does to itself alone, and when the list is made anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hermes.discovery import admits, kernel_range
from hermes.index import open_index

GOOD = """
    @hookimpl
    def hermes_tools():
        return [Offer("hello", "hermes_plugin_good.tools:hello", "Say hello")]
"""

BAD = [
    ("raises", "raise RuntimeError('no luck')", "RuntimeError: no luck (__init__.py:2)"),
    ("exits", "raise SystemExit(3)", "SystemExit: 3"),
    ("dies", "import os; os._exit(7)", "exit status 7"),
    ("crashes", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ("hangs", "import time; time.sleep(600)", "took longer than 1 s"),
    ("lacks", "import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    (
        "misspelt",
        "@hookimpl\ndef hermes_tols(): return []",
        "no such hook: hermes_tols (did you mean hermes_tools?)",
    ),
    ("unknown", "@hookimpl\ndef hermes_weather(): return []", "no such hook: hermes_weather"),
    ("unmarked", "def hermes_tools(): return []", "hermes_tools lacks @hookimpl"),
    ("argument", "@hookimpl\ndef hermes_tools(app): return []", "app"),
    (
        "wrapper",
        "import pluggy as p\n@p.HookimplMarker('hermes')(wrapper=True)\ndef hermes_tools(): yield",
        "hooks only offer",
    ),
    (
        "first",
        "import pluggy as p\n@p.HookimplMarker('hermes')(tryfirst=True)\ndef hermes_tools(): pass",
        "hooks only offer",
    ),
    ("dict", "@hookimpl\ndef hermes_tools(): return {}", "returned dict, not a list of Offer"),
    ("hookraises", "@hookimpl\ndef hermes_tools(): 1 / 0", "ZeroDivisionError"),
    (
        "outside",
        "@hookimpl\ndef hermes_tools(): return [Offer('x', 'os:system', 'x')]",
        "outside the distribution's own modules",
    ),
    (
        "nomodule",
        "@hookimpl\ndef hermes_tools(): return [Offer('x', 'hermes_plugin_nomodule.gone:x', 'x')]",
        "there is no module hermes_plugin_nomodule.gone",
    ),
    (
        "noform",
        "@hookimpl\ndef hermes_tools(): return [Offer('x', 'hermes_plugin_noform', 'x')]",
        "not of the form module:attribute",
    ),
    (
        "twice",
        "y = 1\n@hookimpl\ndef hermes_tools(): return [Offer('x', 'hermes_plugin_twice:y','')] * 2",
        "offers tools 'x' twice",
    ),
    (
        "nodefault",
        "@hookimpl\ndef hermes_settings(): return [Offer('x', 'hermes_plugin_nodefault.s:S', 'x')]",
        "every field needs a default",
    ),
]


@pytest.mark.parametrize(("name", "init", "said"), BAD, ids=[name for name, *_ in BAD])
def test_a_bad_plugin_is_named_and_the_rest_is_listed(
    site: Any, name: str, init: str, said: str
) -> None:
    extra = (
        {"s": "import msgspec\nclass S(msgspec.Struct):\n    a: int\n"}
        if name == "nodefault"
        else {}
    )
    site.install(name, init, **extra)
    site.install("good", GOOD, tools="hello = 1")
    limit = 1.0 if name == "hangs" else 10.0

    bad, good = site.plugin(name, seconds=limit), site.plugin("good", seconds=limit)

    assert bad.state == "failed"
    assert said in bad.reason
    assert "\n" not in bad.reason
    assert good.state == "active"
    assert [offer.name for offer in good.offers] == ["hello"]


def test_what_a_plugin_prints_or_leaves_running_does_no_harm(site: Any) -> None:
    site.install(
        "noisy",
        """
        import os, threading, time
        print("garbage", flush=True)
        os.write(1, b"more garbage")
        threading.Thread(target=time.sleep, args=(600,)).start()
        if os.fork() == 0:
            time.sleep(600)
        """,
    )
    site.install("good", GOOD, tools="hello = 1")

    before = time.monotonic()
    assert [p.state for p in site.host(seconds=2).plugins()] == ["active", "active"]
    assert time.monotonic() - before < 15


def test_a_kernel_that_does_not_fit_is_refused_before_the_import(site: Any) -> None:
    trace = site.folder / "imported"
    for name, needs in {"older": "hermes-kernel<1", "newer": "hermes-kernel>=2,<3"}.items():
        site.install(name, f"open({str(trace)!r}, 'a').write({name!r})", requires=needs)
    site.install("fits", requires="hermes_kernel (>=1.0,<2)")

    assert site.plugin("older").state == site.plugin("newer").state == "incompatible"
    assert site.plugin("newer").reason == "needs hermes-kernel >=2,<3, this is 1.0.0"
    assert site.plugin("fits").state == "active"
    assert not trace.exists()


def test_a_reinstalled_plugin_that_wants_another_kernel_is_refused(site: Any) -> None:
    site.install("one")
    assert site.plugin("one").state == "active"
    (info,) = site.folder.glob("*.dist-info")
    metadata = (info / "METADATA").read_text()
    (info / "METADATA").write_text(metadata.replace(">=1,<2", ">=2"))
    os.utime(info)
    assert site.plugin("one").state == "incompatible"


@pytest.mark.parametrize(
    ("specifiers", "version", "fits"),
    [
        (">=1,<2", "1.0.0", True),
        (">=1,<2", "2.0.0", False),
        (">=1.2", "1.10", True),
        ("~=1.4", "1.9.1", True),
        ("~=1.4", "2.0", False),
        ("~=1.4.2", "1.5", False),
        ("==1.*", "1.7", True),
        ("==1.0", "1.0.0", True),
        ("!=1.0", "1.0.0", False),
        (">1,<=1.5", "1.5.0", True),
        ("", "9", True),
        ("@ file:///x", "1.0", False),
    ],
)
def test_ranges_of_versions(specifiers: str, version: str, fits: bool) -> None:
    assert admits(specifiers, version) is fits


def test_requirements_for_an_extra_say_nothing_about_the_kernel() -> None:
    assert kernel_range('hermes-kernel[testing]>=3; extra == "dev"') == ""
    assert kernel_range("hermes-kernel-tools>=3") == ""
    assert kernel_range("Hermes_Kernel[all] >=1, <2") == ">=1,<2"


def test_a_disabled_plugin_is_never_imported(site: Any) -> None:
    trace = site.folder / "imported"
    site.install("quiet", f"open({str(trace)!r}, 'a').write('x')")
    site.write("plugins:\n  disabled: [quiet]\n")

    assert site.plugin("quiet").state == "disabled"
    assert not trace.exists()

    site.write("plugins:\n  disabled: []\n# changed\n")
    assert site.plugin("quiet").state == "active"
    assert trace.exists()


def test_a_hit_imports_no_plugin_and_starts_no_process(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("good", GOOD, tools="hello = 1")
    site.write("plugins:\n  prefer: {tools.hello: good}\n")
    site.host()
    monkeypatch.setattr(subprocess, "Popen", None)

    assert site.plugin("good").state == "active"
    assert "hermes_plugin_good" not in sys.modules


def test_installing_upgrading_and_removing_shows_at_once(site: Any) -> None:
    site.install("one")
    assert [p.name for p in site.host().plugins()] == ["one"]

    site.install("good", GOOD, tools="hello = 1")
    assert [p.name for p in site.host().plugins()] == ["good", "one"]
    assert "hello" in site.host().offers("tools")

    site.remove("good")
    assert [p.name for p in site.host().plugins()] == ["one"]

    site.remove("one")
    site.install("one", version="1.1.0")
    assert site.plugin("one").version == "1.1.0"


def test_an_edit_of_an_editable_plugin_shows_at_once_and_lists_only_it(site: Any) -> None:
    trace = site.folder / "trace"
    site.install("other", f"open({str(trace)!r}, 'a').write('x')")
    package = site.install("good", GOOD, tools="hello = 1")
    assert list(site.host().offers("tools")) == ["hello"]

    (package / "__init__.py").write_text(
        (package / "__init__.py").read_text().replace('"hello"', '"bye"')
    )
    assert list(site.host().offers("tools")) == ["bye"]
    assert trace.read_text() == "x"


def test_mending_a_broken_plugin_shows_at_once(site: Any) -> None:
    package = site.install("good", "import hermes_plugin_good.part", part="1 / 0")
    assert site.plugin("good").state == "failed"

    (package / "part.py").write_text("fine = True")
    assert site.plugin("good").state == "active"


def test_what_was_missing_and_is_installed_is_tried_again(site: Any) -> None:
    site.install("needy", "import hermes_plugin_late")
    assert site.plugin("needy").state == "failed"
    site.install("late")
    assert site.plugin("needy").state == "active"


def test_an_index_that_was_cut_short_or_tampered_with_is_made_anew(site: Any) -> None:
    site.install("good", GOOD, tools="hello = 1")
    site.host()
    (file,) = (site.home / "cache").glob("plugins-*.json")
    for text in ("", "{", "[]", '{"stamp": 3}', file.read_text()[:100]):
        file.write_text(text)
        assert site.plugin("good").state == "active"
    assert json.loads(file.read_text())["plugins"]["good"]["state"] == "active"


def test_starts_at_the_same_time_leave_one_whole_index(site: Any) -> None:
    for number in range(3):
        site.install(f"plugin{number}")
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: site.run("plugins"), range(4)))

    assert {run.returncode for run in runs} == {0}
    assert len({run.stdout for run in runs}) == 1
    (file,) = (site.home / "cache").glob("plugins-*")
    assert len(json.loads(file.read_text())["plugins"]) == 3


def test_a_home_that_cannot_be_written_keeps_the_index_in_memory(site: Any) -> None:
    site.install("good", GOOD, tools="hello = 1")
    site.home.mkdir()
    (site.home / "cache").write_text("not a folder")

    assert site.plugin("good").state == "active"
    assert site.run("plugins", HERMES_HOME="/proc/nowhere").stdout.startswith("good ")
    assert (site.home / "cache").read_text() == "not a folder"


def test_importing_a_third_party_library_to_be_listed_is_a_warning(site: Any) -> None:
    site.install("heavy", "import click")
    assert site.plugin("heavy").warnings == ("imports click before it is used",)


def test_two_distributions_with_one_plugin_name_are_both_named(site: Any) -> None:
    site.install("same")
    site.install("same", distribution="someone-elses")
    assert site.plugin("same").state == "failed"
    assert "hermes-plugin-same" in site.plugin("same").reason
    assert "someone-elses" in site.plugin("same").reason


def test_two_environments_share_a_home_without_throwing_out_each_other_s_index(
    site: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    site.install("good", GOOD, tools="hello = 1")
    site.host()
    other = tmp_path / "other"
    (other / "thing-1.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(other), *sys.path])  # `site` set it too, and undoes it
    site.host()
    assert len(list((site.home / "cache").glob("plugins-*.json"))) == 2


def test_the_index_keeps_settings_with_the_references_of_secrets(site: Any) -> None:
    site.install(
        "good",
        """
        @hookimpl
        def hermes_settings():
            return [Offer("good", "hermes_plugin_good.settings:Settings", "")]
        """,
        settings="""
        import msgspec
        from hermes import Secret
        class Inner(msgspec.Struct, frozen=True):
            token: Secret = Secret("env:GOOD_TOKEN")
        class Settings(msgspec.Struct, frozen=True):
            inner: Inner = Inner()
            timeout: float = 3
        """,
    )
    assert site.plugin("good").reason == ""
    schema = open_index(str(site.home)).entries["good"]["settings"]["good"]
    assert "env:GOOD_TOKEN" in json.dumps(schema)
