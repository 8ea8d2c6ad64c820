"""The snapshot of the public surface notices what would break somebody's plugin."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import hermes

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "surface.py"

BEFORE = '''
from __future__ import annotations
from abc import ABC, abstractmethod
import msgspec
class Point(msgspec.Struct, frozen=True):
    """A place."""
    x: int
    y: int = 0
class Shape(ABC):
    """Has an area."""
    @abstractmethod
    async def area(self, scale: float = 1.0) -> float: ...
    def name(self) -> str:
        return ""
    def _hidden(self) -> None: ...
def move(point: Point, by: int = 1, *, twice: bool = False) -> Point:
    """Move it."""
    return point
Number = int | float
"""What counts."""
'''


@pytest.fixture
def surface(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_surface", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("WRITE", raising=False)
    return module


class Sample:
    """A package whose source a test edits, and what the script says of it."""

    def __init__(self, surface: ModuleType, folder: Path) -> None:
        self.surface, self.folder, self.count = surface, folder, 0

    def read(self, source: str) -> ModuleType:
        self.count += 1
        name = f"surface_sample_{self.count}"
        package = self.folder / name
        package.mkdir()
        (package / "things.py").write_text(source)
        where = dict.fromkeys(("Point", "Shape", "move", "Number"), "things")
        if "class New" in source:
            where["New"] = "things"
        (package / "__init__.py").write_text(f"_WHERE = {where}\n__all__ = sorted(_WHERE)\n")
        return importlib.import_module(name)

    def lines(self, source: str) -> list[str]:
        package = self.read(source)
        return [line.replace(package.__name__, "it") for line in self.surface.describe(package)]


@pytest.fixture
def sample(
    surface: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sample]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Sample(surface, tmp_path)
    for name in [name for name in sys.modules if name.startswith("surface_sample_")]:
        del sys.modules[name]


def test_it_has_a_line_for_each_thing_that_one_can_lean_on(sample: Sample) -> None:
    assert sample.lines(BEFORE) == [
        "it.Number  constant = int | float",
        "it.Point  struct(msgspec.Struct, frozen=True)",
        "it.Point.x  field 1: int",
        "it.Point.y  field 2: int = 0",
        "it.Shape  abstract class(ABC)",
        "it.Shape.area  abstract async (scale: float=1.0) -> float",
        "it.Shape.name  () -> str",
        "it.move  (point: Point, by: int=1, *, twice: bool=False) -> Point",
    ]


ANYWAY = "break, unless everything that fitted before fits still: it."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("by: int = 1", "by: int = 2", [f"{ANYWAY}move"]),
        ("by: int = 1", "by: str = ''", [f"{ANYWAY}move"]),
        ("twice: bool", "double: bool", [f"{ANYWAY}move"]),
        ("y: int = 0", "y: int = 1", [f"{ANYWAY}Point.y"]),
        ("frozen=True", "frozen=False", [f"{ANYWAY}Point"]),
        (
            "    x: int\n",
            "    z: int = 1\n    x: int = 1\n",
            [f"{ANYWAY}Point.x", f"{ANYWAY}Point.y", "addition: it.Point.z"],
        ),
        ("    y: int = 0\n", "", ["break: it.Point.y is gone"]),
        ("    y: int = 0\n", "    y: int = 0\n    z: int = 0\n", ["addition: it.Point.z"]),
        (
            "    x: int\n",
            "    x: int\n    w: int\n",
            [f"{ANYWAY}Point.y", "break: required: it.Point.w"],
        ),
        ("def name", "@abstractmethod\n    def name", [f"{ANYWAY}Shape.name"]),
        (
            "    def _hidden",
            "    @abstractmethod\n    def sides(self) -> int: ...\n    def _hidden",
            ["break: required: it.Shape.sides"],
        ),
        (
            "    def _hidden",
            "    def sides(self) -> int: ...\n    def _hidden",
            ["addition: it.Shape.sides"],
        ),
        ("int | float", "int", [f"{ANYWAY}Number"]),
        ("Number =", 'class New:\n    """New."""\nNumber =', ["addition: it.New"]),
        ("    def _hidden(self) -> None: ...\n", "", []),
        ('"""Move it."""', '"""Move it somewhere."""', []),
    ],
)
def test_each_change_is_told_by_what_it_means(
    sample: Sample, old: str, new: str, said: list[str]
) -> None:
    assert old in BEFORE
    before, after = sample.lines(BEFORE), sample.lines(BEFORE.replace(old, new))

    assert sample.surface.differences(before, after) == said


def test_the_difference_is_grouped_by_what_it_means_and_whose_it_is(sample: Sample) -> None:
    after = BEFORE.replace("    y: int = 0\n", "    z: int = 0\n")
    after = after.replace("twice: bool", "double: bool")

    assert sample.surface.grouped(sample.lines(BEFORE), sample.lines(after)) == [
        "",
        "BREAK",
        "  it.Point",
        "    - y  field 2: int = 0",
        "",
        "BREAK, UNLESS EVERYTHING THAT FITTED BEFORE FITS STILL",
        "  it.move",
        "    - it.move  (point: Point, by: int=1, *, twice: bool=False) -> Point",
        "    + it.move  (point: Point, by: int=1, *, double: bool=False) -> Point",
        "",
        "ADDITION",
        "  it.Point",
        "    + z  field 2: int = 0",
    ]


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.2.0", "break: it.Old is gone, before 1.3"),
        ("1.3.0", "gone as announced: it.Old"),
        ("2.0.0", "gone as announced: it.Old"),
    ],
)
def test_what_was_deprecated_goes_no_earlier_than_it_said(
    surface: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str, said: str
) -> None:
    monkeypatch.setattr(hermes, "__version__", version)

    assert surface.differences(["it.Old  deprecated since 1.1: New"], []) == [said]


def test_what_an_internal_base_brings_counts_as_the_class_s_own(surface: ModuleType) -> None:
    lines = [line for line in surface.surface() if line.startswith("hermes.testing.FakeContext")]

    assert any("FakeContext.log " in line for line in lines)


def test_a_name_without_a_word_about_it_is_named(sample: Sample) -> None:
    silent = BEFORE.replace('"""What counts."""', "").replace('"""Move it."""', "")
    package = sample.read(silent)

    said = sample.surface.undocumented(package)

    assert [line.partition(" ")[0].rpartition(".")[2] for line in said] == ["Number", "move"]


def test_a_changed_signature_fails_the_check_with_a_diff_and_the_mend(
    surface: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = surface.SNAPSHOT.read_text()
    published = "hermes.Provider.stream  abstract async (request: ModelRequest) -> ModelResponse"
    assert published in kept
    tampered = tmp_path / "surface.txt"
    tampered.write_text(kept.replace(published, published.replace("request:", "asked:")))

    assert surface.main(tampered) == 1

    said = capsys.readouterr().out
    assert said.splitlines()[1:6] == [
        "BREAK, UNLESS EVERYTHING THAT FITTED BEFORE FITS STILL",
        "  hermes.Provider",
        "    - stream  abstract async (asked: ModelRequest) -> ModelResponse",
        "    + stream  abstract async (request: ModelRequest) -> ModelResponse",
        "",
    ]
    assert "make surface WRITE=1" in said


def test_writing_mends_it(
    surface: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRITE", "1")
    file = tmp_path / "surface.txt"

    assert surface.main(file) == 0
    monkeypatch.delenv("WRITE")
    assert surface.main(file) == 0


def test_checkers_know_the_same_names_as_programs() -> None:
    tree = ast.parse(inspect.getsource(hermes))
    imported = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hermes.")
        for alias in node.names
        if alias.asname is not None  # else the module's own, at run time
    }

    assert imported == set(hermes.__all__)
