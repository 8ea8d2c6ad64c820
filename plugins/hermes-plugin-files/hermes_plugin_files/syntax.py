"""Looks whether a file that was written can still be read. Nothing of it is run."""

from __future__ import annotations

import ast
import json
import posixpath
import tomllib
import warnings
from collections.abc import Callable

import yaml

LARGEST = 1_000_000
"""Characters; a longer file is not looked at."""


def problem(path: str, text: str) -> str:
    """Say what is wrong with a JSON, YAML, TOML or Python file; empty for others and good ones."""
    kind = posixpath.splitext(path)[1].lower()
    check = _CHECKS.get(kind)
    if check is None or len(text) > LARGEST:
        return ""
    try:
        check(text)
    except (ValueError, SyntaxError, yaml.YAMLError) as error:
        return " ".join(str(error).split())[:300]
    except (RecursionError, MemoryError):
        return "it is nested too deeply to be checked"
    return ""


def _json(text: str) -> None:
    json.loads(text)


def _toml(text: str) -> None:
    tomllib.loads(text)


def _python(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ast.parse(text)


def _yaml(text: str) -> None:
    """Events only: tags, anchors and aliases are read and nothing is built."""
    for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        pass


_CHECKS: dict[str, Callable[[str], None]] = {
    ".json": _json,
    ".toml": _toml,
    ".py": _python,
    ".pyi": _python,
    ".yaml": _yaml,
    ".yml": _yaml,
}
