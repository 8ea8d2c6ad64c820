"""What a start imports, with every first-party plugin installed (architecture, §3).

The command as people run it, the script of this environment, in a process of its own that writes
down `sys.modules` when it is through.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hermes.testing import Call, OpenAIServer, Say

HERMES = Path(sys.executable).with_name("hermes")
WATCHED = """
import sys
before = set(sys.modules)
report = sys.argv[1]
sys.argv = sys.argv[2:]
try:
    with open(sys.argv[0]) as script:
        program = compile(script.read(), sys.argv[0], "exec")
    exec(program, {"__name__": "__main__"})
finally:
    loaded = sorted(set(sys.modules) - before)
    with open(report, "w") as file:
        file.write(" ".join(loaded))
"""


async def watch(folder: Path, *arguments: str, **variables: str) -> tuple[str, set[str]]:
    """Run ``hermes``; give its output, and each module beyond those of a bare interpreter."""
    report = folder / "modules"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WATCHED, report, HERMES, *arguments),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode(), set(report.read_text().split())


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_every_first_party_plugin_is_installed_here() -> None:
    """Else this file would show nothing."""
    listed = subprocess.run(
        [HERMES, "plugins", "list"], capture_output=True, text=True, check=True
    ).stdout
    root = Path(__file__).resolve().parent.parent
    folders = [*root.glob("plugins/hermes-plugin-*"), *root.glob("hermes-plugin-*")]
    names = {folder.name.removeprefix("hermes-plugin-") for folder in folders if folder.is_dir()}

    assert names <= {line.split()[0] for line in listed.splitlines()}


async def test_version_imports_nothing_beyond_a_bare_interpreter(tmp_path: Path) -> None:
    assert (await watch(tmp_path, "--version"))[1] == {"hermes", "hermes.cli"}


def test_as_a_module_the_version_imports_nothing_more_either() -> None:
    program = "import runpy, sys; sys.argv = ['hermes', '--version']; before = set(sys.modules)\n"
    program += "try: runpy.run_module('hermes', run_name='__main__')\n"
    program += "except SystemExit: print(*(set(sys.modules) - before))"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]

    assert set(said.split()) <= {"hermes", "hermes.cli", "hermes.__main__"}


HEAVY = {"msgspec", "pluggy", "asyncio", "yaml", "structlog", "rich", "prompt_toolkit", "mcp"}


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("--help",), {}),
        (
            (),
            {"_HERMES_COMPLETE": "bash_complete", "COMP_WORDS": "hermes pl", "COMP_CWORD": "1"},
        ),
        (
            (),
            {"_HERMES_COMPLETE": "zsh_complete", "COMP_WORDS": "hermes ", "COMP_CWORD": "1"},
        ),
    ],
    ids=["help", "complete", "complete-all"],
)
async def test_help_and_completion_import_click_json_and_the_index(
    arguments: tuple[str, ...], variables: dict[str, str], tmp_path: Path
) -> None:
    await watch(tmp_path, "--help")  # makes the index
    _, loaded = await watch(tmp_path, *arguments, **variables)

    assert tops(loaded) & (HEAVY | {"openai", "httpx", "apsw", "xllamacpp", "pydantic"}) == set()
    ours = {name for name in loaded if name.startswith("hermes")}
    assert ours == {"hermes", "hermes.cli", "hermes.index"}
    assert {"click", "json"} <= loaded


async def test_one_shot_imports_the_sdk_and_none_of_what_it_does_not_use(
    home: Path, tmp_path: Path
) -> None:
    """Every import holds the GIL before the first word; the SDK alone is most of a second."""
    (tmp_path / "a.txt").write_text("one line\n")
    asked = Call("read_file", f'{{"path": "{tmp_path / "a.txt"}"}}')
    script = (Say("Warm."), Say(calls=(asked,)), Say("Read."))
    async with OpenAIServer(*script) as server:
        (home / "config.yaml").write_text(
            f"model: openai:test\nopenai: {{base_url: {server.url}}}\n"
        )
        await watch(tmp_path, "-z", "Make the index.")
        out, loaded = await watch(tmp_path, "-z", "Read it.")

    assert out == "Read.\n"
    assert {"openai", "hermes.runtime", "hermes_plugin_sqlite.store"} <= loaded
    assert tops(loaded) & {"structlog", "rich", "prompt_toolkit", "mcp", "xllamacpp"} == set()
    assert {"hermes.testing", "hermes.discovery"} & loaded == set()
    assert "hermes_plugin_local" not in tops(loaded)
