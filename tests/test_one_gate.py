"""Every tool call passes `Toolbox.call`, the one gate (architecture, §10).

A tool is run by its field `Tool.run`, with a `ToolCall`. So two things are looked for in the whole
source of kernel and plugins, tests apart:

* Who reads `.run` of a thing that is a `Tool`, or may be one. Names do not say that (terminals,
  commands, agents and `subprocess` run too), types do: each ``X.run`` becomes
  ``reveal_type(X).run`` in a shadow of its file, and mypy says what every X is. A `Tool`, `Any`,
  `object` or a union with one of them is allowed at the gate alone. ``getattr(x, "run")`` and
  `attrgetter` are refused by name, since no checker sees through them.
* Who makes a `ToolCall`: the gate's own step, its `replace`, and the kit for tests. Whoever has
  none cannot run a tool even where types are lost.

What this does not hold: a plugin that calls its tool's *function* itself runs its own code, as it
may; what it may not do is run somebody's tool in the name of a conversation.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for pattern in ("hermes", "plugins/*/hermes_plugin_*", "hermes-plugin-*/hermes_plugin_*")
    for folder in sorted(ROOT.glob(pattern))
    for path in sorted(folder.rglob("*.py"))
    if "templates" not in path.parts  # text: what it becomes is tested where it is rendered
]
GATE = ("hermes/toolbox.py", "Toolbox._run")
KIT = "hermes/testing/"
"""Its suites run a plugin's tool by itself, in no conversation."""
MAKERS = {
    ("hermes/toolbox.py", "Toolbox._make_call"),
    ("hermes/tools.py", "ToolCall.replace"),
    ("hermes/testing/make.py", "make_call"),
}
MODULES = {"asyncio", "subprocess"}
REVEALED = re.compile(r'(.+?):(\d+):(\d+): note: Revealed type is "(.+)"$')
MAY_BE_A_TOOL = re.compile(r"\bhermes\.tools\.Tool\b|\bAny\b|\bobject\b")

pytestmark = pytest.mark.xdist_group("mypy")  # one process at a time writes its cache


def named(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def inside(tree: ast.AST, line: int) -> str:
    """Give the qualified name of the function around a line."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.lineno <= line <= (node.end_lineno or 0):
                names.append((node.lineno, node.name))
    return ".".join(name for _, name in sorted(names))


def reads_of_run(tree: ast.AST) -> list[ast.Attribute]:
    """Find each ``X.run`` whose X is not a module that has a function of that name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "run"
        and isinstance(node.ctx, ast.Load)
        and not (isinstance(node.value, ast.Name) and node.value.id in MODULES)
    ]


def shadow(source: str) -> str:
    """Ask for the type of every X in ``X.run``; line numbers stay."""
    lines = source.encode().splitlines(keepends=True)
    places = []
    for node in reads_of_run(ast.parse(source)):
        value = node.value
        places.append((value.lineno, value.col_offset, b"reveal_type("))
        places.append((value.end_lineno or 0, value.end_col_offset or 0, b")"))
    for line, column, text in sorted(places, key=lambda place: place[:2], reverse=True):
        whole = lines[line - 1]
        lines[line - 1] = whole[:column] + text + whole[column:]
    return b"".join(lines).decode()


def doors(files: list[Path], folder: Path) -> set[tuple[str, str]]:
    """Give file and function of every place that reads `.run` of what may be a tool."""
    chosen = [path for path in files if reads_of_run(ast.parse(path.read_text()))]
    flags: list[str | Path] = []
    for number, path in enumerate(chosen):
        copy = folder / f"shadow_{number}.py"
        copy.write_text(shadow(path.read_text()))
        flags += ["--shadow-file", path, copy]
    if (ROOT / ".mypy_cache").is_dir():  # what `make types` knows already, left as it is
        shutil.copytree(ROOT / ".mypy_cache", folder / "cache")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--show-column-numbers", "--no-error-summary",
         "--show-absolute-path", "--cache-dir", folder / "cache", *flags, *chosen],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    shutil.rmtree(folder / "cache")
    revealed = [found for line in done.stdout.splitlines() if (found := REVEALED.match(line))]
    wanted = sum(len(reads_of_run(ast.parse(path.read_text()))) for path in chosen)
    assert len(revealed) >= wanted, f"mypy told {len(revealed)} of {wanted}\n{done.stdout}"
    found = set()
    for path_text, line, _, kind in (match.groups() for match in revealed):
        if MAY_BE_A_TOOL.search(kind):
            path = Path(path_text)
            found.add((named(path), inside(ast.parse(path.read_text()), int(line))))
    return found


def makers(path: Path) -> set[tuple[str, str]]:
    """Give file and function of every place that makes a `ToolCall`."""
    tree = ast.parse(path.read_text())
    return {
        (named(path), inside(tree, node.lineno))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("ToolCall", "__new__")
        and "ToolCall" in ast.unparse(node)
    }


def hidden_reads(path: Path) -> list[str]:
    """Give each call that reaches an attribute ``run`` by its name as text."""
    return [
        f"{named(path)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2]
        in ("getattr", "attrgetter", "methodcaller", "__getattribute__")
        and any(isinstance(each, ast.Constant) and each.value == "run" for each in node.args)
    ]


def test_nothing_but_the_gate_runs_a_tool(tmp_path: Path) -> None:
    assert {door for door in doors(SOURCES, tmp_path) if not door[0].startswith(KIT)} == {GATE}


def test_nothing_but_the_gate_makes_a_call() -> None:
    assert {maker for path in SOURCES for maker in makers(path)} == MAKERS


def test_nothing_reaches_run_by_a_name_that_no_checker_sees() -> None:
    assert [place for path in SOURCES for place in hidden_reads(path)] == []


SIDE_DOORS = """
from __future__ import annotations
from operator import attrgetter
from typing import Any
from hermes import Middleware, Next, Terminal, Tool, ToolCall, ToolResult

class Hasty(Middleware):
    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        return await call.tool.run(call)

async def anything(tool: Any, call: ToolCall) -> None:
    await tool.run(call)

async def several(tools: dict[str, Tool | None], call: ToolCall) -> None:
    one = tools["a"]
    if one is not None:
        later = one.run
        await later(call)

async def fine(terminal: Terminal) -> None:
    await terminal.run("ls")

async def made(call: ToolCall) -> None:
    ToolCall(call.request, call.tool)  # type: ignore[call-arg]

async def hidden(tool: Tool, call: ToolCall) -> None:
    await getattr(tool, "run")(call)
    await attrgetter("run")(tool)(call)
"""


def test_each_kind_of_side_door_is_found(tmp_path: Path) -> None:
    file = tmp_path / "side_doors.py"
    file.write_text(SIDE_DOORS)

    names = {name for _, name in doors([file], tmp_path)}

    assert names == {"Hasty.tool", "anything", "several"}
    assert {name for _, name in makers(file)} == {"made"}
    assert len(hidden_reads(file)) == 2
