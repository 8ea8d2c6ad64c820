"""The code in the documentation runs, as it stands there.

Every fenced block of README.md, CONTRIBUTING.md, docs/ and the plugins' READMEs is used in the way
of its language: Python runs as a program, a console session runs in bash and its output is compared
(`…` stands for anything), YAML is a configuration that the installed plugins accept. All of it in
an empty home whose model is an OpenAI-compatible server on loopback that echoes. Blocks of one page
that begin with ``# a/file/name`` are the files of a project, where one is its pyproject.toml: it is
built, installed and its own tests run.

A page of docs/tutorial/ is one session: its files are written and its commands run in their order,
in an environment of its own, the model answering what a comment above a block says.

A block that cannot run says why, in a line above it: ``<!-- not run: the reason -->``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
import venv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hermes.plugins import Host
from hermes.testing import Call, OpenAIServer, Say
from hermes.testing.openai_server import echo

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("docs/howto/*.md")]),
    *sorted(ROOT.glob("docs/explanation/*.md")),
    *sorted([*ROOT.glob("plugins/*/README.md"), *ROOT.glob("hermes-plugin-*/README.md")]),
]
BLOCK = re.compile(
    r"^(?:[ ]*<!-- not run: (?P<why>.+?) -->\n)?"
    r"(?P<indent>[ ]*)(?P<fence>```+|~~~+)(?P<language>[\w-]*).*?\n"
    r"(?P<text>.*?)^(?P=indent)(?P=fence)",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"^ *<!-- not run:", re.MULTILINE)
FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))$")
PROSE = ("", "text")
"""Languages of blocks that nothing can run: drawings, file listings."""


class Block(NamedTuple):
    page: Path
    line: int
    language: str
    text: str
    why: str = ""
    """Why it is not run."""

    @property
    def file(self) -> str:
        """The name of the file that it is, empty where it is none."""
        found = FILE.match(self.text.partition("\n")[0])
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    source = page.read_text()
    return [
        Block(
            page,
            source.count("\n", 0, found.start("fence")) + 1,
            found["language"],
            textwrap.dedent(found["text"]),
            found["why"] or "",
        )
        for found in BLOCK.finditer(source)
    ]


EVERY = [block for page in PAGES for block in blocks(page)]
PROJECTS = {block.page for block in EVERY if block.file == "pyproject.toml"}
ALONE = [block for block in EVERY if not (block.file and block.page in PROJECTS)]


def each(*languages: str) -> pytest.MarkDecorator:
    chosen = [
        pytest.param(block, id=str(block), marks=[pytest.mark.skip(block.why)] * bool(block.why))
        for block in ALONE
        if block.language in languages
    ]
    return pytest.mark.parametrize("block", chosen)


class Driver(NamedTuple):
    """What calls a block that only defines something, what the model says to it, what is seen."""

    program: str
    answers: tuple[Say, ...]
    seen: str


DRIVERS = {
    "async def ask_me(": Driver(
        """
        import asyncio, pathlib

        async def drive() -> None:
            async with Runtime.open() as runtime:
                await ask_me(runtime, "Make a file.")
            print("made:", pathlib.Path("made").exists())

        asyncio.run(drive())
        """,
        (Say(calls=(Call("terminal", '{"command": "touch made"}'),)), Say("It is made.")),
        "touch made[\\s\\S]*made: True",
    ),
}
SEEN = {"What is in this folder?": "You said: What is in this folder\\?\n-- ok, \\d+ tokens"}
"""For blocks that are whole programs: words of the block, and what it must print."""


@pytest.fixture
async def server(home: Path) -> AsyncIterator[OpenAIServer]:
    """The model that the home's configuration names. It echoes, when its script is through."""
    async with OpenAIServer(always=echo, key="sk-test") as server:
        config = f"model: openai:test\nopenai:\n  base_url: {server.url}\n"
        (home / "config.yaml").write_text(config)
        (home / ".env").write_text("OPENAI_API_KEY=sk-test\n")
        (home / ".env").chmod(0o600)
        yield server


async def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program to its end and give what it printed; it must succeed."""
    path = os.pathsep.join((str(BIN), "/usr/local/bin", "/usr/bin", "/bin"))
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, "PATH": path, "HOME": str(cwd), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said


@each("python")
async def test_python_runs(block: Block, server: OpenAIServer, tmp_path: Path) -> None:
    driver = next((d for mark, d in DRIVERS.items() if mark in block.text), None)
    server.will(*(driver.answers if driver else ()))
    seen = driver.seen if driver else next((s for w, s in SEEN.items() if w in block.text), "")
    program = block.text + textwrap.dedent(driver.program if driver else "")
    if "async def" in program:  # a fragment's types need not be there
        program = f"from __future__ import annotations\n{program}"
    (tmp_path / "program.py").write_text(program)

    said = await run(sys.executable, "program.py", cwd=tmp_path)

    assert re.search(seen, said), said


@each("console", "sh", "bash", "shell")
async def test_commands_run_and_say_what_is_shown(
    block: Block, server: OpenAIServer, tmp_path: Path
) -> None:
    commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert block.language != "console" or not commands.pop(0).strip(), "a session starts with $"
    for session in commands:
        command, _, shown = session.partition("\n")
        if block.language != "console":
            command, shown = session, ""
        said = await run("bash", "-euc", command, cwd=tmp_path)
        unheard = missing(said, shown.splitlines())
        assert not unheard, f"{command}\ndid not say {unheard!r} but\n{said}"


def missing(said: str, shown: list[str]) -> str:
    """Give the first line shown that is not found in what was said, after those before it."""
    lines = iter(said.splitlines())
    for wanted in filter(str.strip, shown):
        pattern = ".*".join(re.escape(part) for part in wanted.split("…"))
        if not any(re.fullmatch(pattern, line) for line in lines) and wanted.strip() != "…":
            return wanted
    return ""


@each("yaml")
def test_a_configuration_is_accepted_by_the_installed_plugins(block: Block, home: Path) -> None:
    (home / "config.yaml").write_text(block.text)
    secrets = re.findall(r"\$\{(\w+)\}", block.text)
    (home / ".env").write_text("".join(f"{name}=something\n" for name in secrets))
    (home / ".env").chmod(0o600)
    host = Host.open(home)

    assert [str(problem) for problem in host.config.problems] == []
    for section in ("hermes", *host.offers("settings")):
        host.config.section(section)


@each("json", "toml")
def test_data_can_be_read(block: Block) -> None:
    assert json.loads(block.text) if block.language == "json" else tomllib.loads(block.text)


async def install(project: Path, site: Path) -> None:
    """Build a project's wheel and install it into the folder *site*, fetching nothing."""
    offline = ("--no-deps", "--no-build-isolation", "--offline", "--python", sys.executable)
    await run("uv", "pip", "install", "-q", *offline, "--target", site, project, cwd=project)


async def its_tests(project: Path, site: Path) -> str:
    return await run(
        *(sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"),
        *("--import-mode=importlib",),
        cwd=project,
        PYTHONPATH=str(site),
    )


async def test_the_example_plugin_is_installed_and_used(home: Path, tmp_path: Path) -> None:
    """A repository of its own: a tool, a command, settings and a check, seen by every command."""
    project, site = tmp_path / "project", tmp_path / "site"
    shutil.copytree(ROOT / "examples" / "hermes-plugin-weather", project)
    await install(project, site)

    (home / "config.yaml").write_text(
        "weather: {place: Berlin, geocoding: 'http://127.0.0.1:9/'}\n"
    )
    use = {"cwd": tmp_path, "PYTHONPATH": str(site)}
    assert re.search(
        "weather: .*, active", await run("hermes", "plugins", "info", "weather", **use)
    )
    assert "forecast" in await run("hermes", "tools", **use)
    assert "PLACE" in await run("hermes", "weather", "--help", **use)
    assert "weather service did not answer" in await run("bash", "-c", "hermes doctor; true", **use)
    assert " passed" in await its_tests(project, site)


@pytest.mark.parametrize("page", sorted(PROJECTS), ids=lambda page: str(page.relative_to(ROOT)))
async def test_a_project_builds_installs_and_passes_its_own_tests(
    page: Path, home: Path, tmp_path: Path
) -> None:
    project, site = tmp_path / "project", tmp_path / "site"
    files = {block.file: block.text for block in blocks(page) if block.file}
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    await install(project, site)
    plugin = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]["hermes.plugins"]
    (name, module), *_ = plugin.items()

    listed = await run("hermes", "plugins", "info", name, cwd=tmp_path, PYTHONPATH=str(site))
    checked = await run("hermes", "plugins", "check", cwd=tmp_path, PYTHONPATH=str(site))
    tests = await its_tests(project, site)

    assert re.search(rf"{name}: .*, active", listed)
    assert "all can be loaded" in checked
    assert " passed" in tests
    assert (site / module).is_dir()


def test_every_block_is_of_a_kind_that_is_run() -> None:
    known = {"python", "console", "sh", "bash", "shell", "yaml", "json", "toml", *PROSE}

    assert {str(block): block.language for block in EVERY if block.language not in known} == {}


def test_blocks_that_are_not_run_have_a_mark_that_is_understood() -> None:
    """A mark that stands elsewhere than right above a block would be passed over."""
    marks = sum(len(MARK.findall(page.read_text())) for page in PAGES)

    assert marks == sum(bool(block.why) for block in EVERY)


def test_drivers_and_outputs_belong_to_blocks_that_are_there() -> None:
    marks = [*DRIVERS, *SEEN]

    assert [mark for mark in marks if not any(mark in block.text for block in ALONE)] == []


def test_output_is_compared_line_by_line_in_order() -> None:
    said = "one\ntwo and a half\nthree\n"

    assert missing(said, ["one", "…half", "three"]) == ""
    assert missing(said, ["one", "…", "three"]) == ""
    assert missing(said, ["two"]) == "two"
    assert missing(said, ["three", "one"]) == "one"


def test_links_to_what_is_not_there_are_found(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("ci_docs", ROOT / ".ci" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docs)
    (tmp_path / "other.md").write_text("# One `two` (three)\n```\n# no heading\n```\n## Again\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#one-two-three) [c](#here) [d](https://a.example/x)\n"
        "`[e](code.md)`\n```\n[f](fenced.md)\n```\n"
        "[g](gone.md) [h](other.md#no-heading) [i](#there) [j](other.md#again)\n"
    )

    assert docs.broken_links(page) == ["gone.md", "other.md#no-heading", "#there"]


# tutorials: one page is one session ------------------------------------------------------------

TUTORIALS = sorted(ROOT.glob("docs/tutorial/*.md"))
SCRIPT = re.compile(r"<!-- model: (\[.*?\]) -->\n```console")


def scripted(page: Path) -> dict[int, list[Say]]:
    """Give what the model answers in a tutorial's blocks, by the line of the block."""
    source = page.read_text()
    found = {}
    for script in SCRIPT.finditer(source):
        line = source.count("\n", 0, script.end())
        answers = json.loads(script[1])
        found[line + 1] = [
            Say(each)
            if isinstance(each, str)
            else Say(calls=tuple(Call(n, json.dumps(a)) for n, a in each["calls"]))
            for each in answers
        ]
    return found


def newcomer(place: Path) -> Path:
    """Make an environment that has Hermes, and in which something can be installed."""
    folder = place / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "hermes.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    offline = "--no-deps --no-build-isolation --offline"
    programs = {
        "hermes": "exec python -m hermes",
        "pytest": "exec python -P -m pytest -p no:cacheprovider --import-mode=importlib",
        "pip": f"shift; exec {BIN}/uv pip install {offline} --python {folder}/bin/python",
    }
    for name, line in programs.items():
        (folder / "bin" / name).write_text(f'#!/bin/sh\n{line} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    return folder / "bin"


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
async def test_a_tutorial_works_when_it_is_followed_to_the_letter(
    page: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    """File blocks are written, sessions run, in the page's order and in one folder."""
    path = os.pathsep.join((str(newcomer(tmp_path)), str(BIN), "/usr/local/bin:/usr/bin:/bin"))
    place, answers = tmp_path / "place", scripted(page)
    place.mkdir()
    for block in blocks(page):
        if block.file:
            (place / block.file).parent.mkdir(parents=True, exist_ok=True)
            (place / block.file).write_text(block.text.partition("\n")[2])
        elif block.language == "console":
            server.will(*answers.pop(block.line, ()))
            await session(block, place, path)
        else:
            assert block.language in PROSE, block
    assert not answers


async def session(block: Block, place: Path, path: str) -> None:
    """Run a session's commands; each must say what is shown."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        said = await run("bash", "-euc", command, cwd=place, PATH=path)
        unheard = missing(said, shown.splitlines())
        assert not unheard, f"{block}: {command}\ndid not say {unheard!r} but\n{said}"
