"""No setting is ignored in silence: each key, at each layer, says where it stands (AT-36)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from hermes import schemas
from hermes.config_reading import KERNEL
from hermes.errors import ConfigError
from hermes.plugins import Host

Leaf = tuple[str, dict[str, Any], dict[str, Any]]


def leaves(
    schema: dict[str, Any], root: dict[str, Any], above: tuple[str, ...] = ()
) -> Iterator[Leaf]:
    """Give every key that has a value of its own: dotted name, schema, schema it is part of."""
    inner = schemas.resolve(schema, root)
    properties = inner.get("properties")
    if properties:
        for name, each in properties.items():
            yield from leaves(each, root, (*above, name))
    elif above:
        yield ".".join(above), {**inner, **schema}, root


def every_key(host: Host) -> list[Leaf]:
    """List the keys of kernel and plugins, with one server for the section of MCP servers."""
    known = host.config._schemas
    found = list(leaves(known[KERNEL], known[KERNEL]))
    for section, schema in known.items():
        inner = schemas.resolve(schema, schema)
        if section == KERNEL:
            continue
        if "properties" not in inner and isinstance(inner.get("additionalProperties"), dict):
            found += leaves(inner["additionalProperties"], schema, (section, "one"))
        else:
            found += leaves(schema, schema, (section,))
    return found


def options(schema: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    return [schemas.resolve(each, root) for each in schema.get("anyOf", [schema])]


def other_values(leaf: Leaf) -> list[Any]:
    """Give two values that fit a key, neither of them its default; the same twice where it must."""
    name, schema, root = leaf
    if schema.get("format") == schemas.SECRET:
        return ["env:SOME_NAME", "env:OTHER_NAME"]
    fitting = [
        value
        for choice in options(schema, root)
        for value in candidates(choice, root)
        if not list(schemas.check(value, schema, root, (name,))) and value != schema.get("default")
    ]
    assert fitting, name
    alike = [value for value in fitting if type(value) is type(fitting[0])]
    return [alike[0], alike[min(1, len(alike) - 1)]]


def candidates(choice: dict[str, Any], root: dict[str, Any]) -> list[Any]:
    """Give values that may fit one form of a key."""
    if (made := made_up(choice, root, "a")) is not None:
        return [made, made_up(choice, root, "b")]
    if "enum" in choice or "const" in choice:
        return [*choice.get("enum", [choice.get("const")])]
    least = choice.get("minimum", 0)
    kinds: dict[Any, list[Any]] = {
        "string": ["some text: with # marks", "x"],
        "integer": [least + 41, least + 43, least + 1, least],
        "number": [least + 4.5, least + 7, least + 0.25, least],
        "boolean": [True, False],
        "array": [["one", "two: three"], ["four"], [1, 2], [3]],
        "object": [{"one": "1"}, {"two": "2"}, {"one": 1}, {"two": 2}, {"one": ["1"]}],
        None: [{"any": ["thing", 1]}, {"other": 1}, "text"],
    }
    return kinds.get(choice.get("type"), [])


def made_up(choice: dict[str, Any], root: dict[str, Any], text: str) -> Any:
    """Give an entry of a list of sections, or a section, with what it must have; else None."""
    if choice.get("type") == "array" and "$ref" in choice.get("items", {}):
        return [made_up(schemas.resolve(choice["items"], root), root, text)]
    more = choice.get("additionalProperties")
    if isinstance(more, dict) and "$ref" in more:
        return {text: made_up(schemas.resolve(more, root), root, text)}
    if "properties" in choice:
        kinds = {n: schemas.resolve(choice["properties"][n], root) for n in choice["required"]}
        return {name: kind.get("enum", [text])[-1] for name, kind in kinds.items()}
    return None


def part_of(some: Any, whole: Any) -> bool:
    """Whether *whole* has what *some* has, and maybe more keys."""
    if isinstance(some, dict):
        return all(name in whole and part_of(value, whole[name]) for name, value in some.items())
    return bool(some == whole)


@pytest.fixture
def keys(home: Path) -> list[Leaf]:
    found = every_key(Host.open(home))
    assert len(found) > 60
    sections = {name.partition(".")[0] for name, _, _ in found}
    assert {"model", "terminal", "openai", "approvals", "mcp_servers", "local"} <= sections
    return found


def nested(dotted: str, value: Any) -> dict[str, Any]:
    for name in reversed(dotted.split(".")):
        value = {name: value}
    made: dict[str, Any] = value
    return made


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value


def written(keys: list[Leaf]) -> dict[str, Any]:
    """Set every key to something that is not its default."""
    data: dict[str, Any] = {}
    for leaf in keys:
        merge(data, nested(leaf[0], other_values(leaf)[0]))
    return data


def line_of(text: str, dotted: str) -> int:
    """Find a key's line by its indentation, without the parser that is under test."""
    depth, names = 0, dotted.split(".")
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if indent == 2 * depth and line.lstrip().startswith(f"{names[depth]}:"):
            depth += 1
            if depth == len(names):
                return number
    raise AssertionError(f"{dotted} is not in the file")


def test_every_key_says_value_place_and_what_it_shadows(home: Path, keys: list[Leaf]) -> None:
    host = Host.open(home)
    for name, schema, root in keys:
        found = host.config.explain(name)
        said = tuple(text for text in found.shadows if not text.endswith(" is set nowhere"))
        assert (found.source, said) == ("default", ()), name
        assert found.value == schemas.defaults(schema, root), name

    text = "# mine\n" + yaml.safe_dump(written(keys), sort_keys=False)
    (home / "config.yaml").write_text(text)
    host = Host.open(home)
    assert host.config.problems == []
    for leaf in keys:
        name, schema, root = leaf
        found, value = host.config.explain(name), other_values(leaf)[0]
        default = json.dumps(schemas.defaults(schema, root))
        if isinstance(value, dict):
            assert value.items() <= found.value.items(), name
        else:
            assert found.value == value, name
        assert found.source == f"config.yaml:{line_of(text, name)}", name
        assert found.shadows[0] == f"default = {default}", name

    for leaf in keys:  # as the command line gives them
        name, value = leaf[0], other_values(leaf)[1]
        found = Host.open(home, overrides={name: value}).config.explain(name)
        if isinstance(value, dict):
            assert value.items() <= found.value.items(), name
        else:
            assert found.value == value, name
        assert found.source == "override", name
        assert found.shadows[0].startswith(f"config.yaml:{line_of(text, name)} = "), name
        assert found.shadows[1].startswith("default = "), name


def test_every_section_is_what_its_plugin_reads(home: Path, keys: list[Leaf]) -> None:
    """What `explain` says is what the plugin gets, not a second opinion."""
    (home / "config.yaml").write_text(yaml.safe_dump(written(keys)))
    host = Host.open(home)
    for leaf in keys:
        section, *inner = leaf[0].split(".")
        if section in host.config._schemas and section != KERNEL:
            place = host.config.section(section)
        else:
            place, inner = host.config.section(KERNEL), [section, *inner]
        for name in inner:
            place = (
                place[name] if isinstance(place, dict) else getattr(place, name.replace("-", "_"))
            )
        value = other_values(leaf)[0]
        if not isinstance(place, (dict, tuple)) and leaf[1].get("format") != schemas.SECRET:
            place = msgspec.to_builtins(place)
        if leaf[1].get("format") == schemas.SECRET:
            assert place.reference == value, leaf[0]
        elif isinstance(value, list):
            assert [msgspec.to_builtins(each) for each in place] == value or all(
                each.items() <= msgspec.to_builtins(got).items()
                for each, got in zip(value, place, strict=True)
            ), leaf[0]
        elif isinstance(value, dict) and isinstance(place, dict):
            assert part_of(value, msgspec.to_builtins(place, enc_hook=str)), leaf[0]
        else:
            assert place == value, leaf[0]


def test_every_misspelt_key_is_told_the_right_one(home: Path, keys: list[Leaf]) -> None:
    host, seen = Host.open(home), set()
    for name, _, _ in keys:
        *above, last = name.split(".")
        if len(last) < 4:
            continue
        wrong = ".".join([*above, last[:-2] + last[-1] + last[-2]])
        if wrong == name:
            wrong = ".".join([*above, last + last[-1]])
        with pytest.raises(ConfigError) as said:
            host.config.explain(wrong)
        assert f"unknown key {wrong} (did you mean" in str(said.value)
        near = str(said.value).partition("did you mean ")[2].rstrip("?)")
        assert (
            near == last or difflib.SequenceMatcher(None, near, wrong.split(".")[-1]).ratio() > 0.7
        )
        with pytest.raises(ConfigError):
            host.config.set(wrong, "1")
        seen.add(wrong)
        (home / "config.yaml").write_text(yaml.safe_dump(nested(wrong, 1)))
        (problem,) = Host.open(home).config.problems
        assert f"config.yaml:{len(above) + 1}: {wrong}: unknown key (did you mean" in str(problem)
        (home / "config.yaml").unlink()
    assert len(seen) > 50


def test_writing_one_key_changes_its_bytes_and_no_others(home: Path, keys: list[Leaf]) -> None:
    """In a file as people write them: comments, blank lines, odd quotes and blanks, no order."""
    file = home / "config.yaml"
    lines = ["# Mine; hands off.", ""]
    for line in yaml.safe_dump(written(keys), sort_keys=False, width=1000).splitlines():
        scalar = (
            ":" in line and not line.rstrip().endswith(":") and not line.lstrip().startswith("-")
        )
        lines.append(f"{line}   # as I like it" if scalar and "'" not in line else line)
        if line and not line.startswith(" "):
            lines.append("  # a thought" if line.endswith(":") else "")
    text = "\n".join(lines) + "\n"
    file.write_text(text)
    host = Host.open(home)
    assert host.config.problems == []
    for leaf in keys:
        name, schema, _ = leaf
        value = other_values(leaf)[1]
        block = any(isinstance(each, (list, dict)) for each in other_values(leaf))
        if block or schema.get("format") == schemas.SECRET:
            continue  # several lines, a reference: below
        host.config.set(name, value)
        after = file.read_text()
        changed = [
            (old, new)
            for old, new in zip(text.splitlines(), after.splitlines(), strict=True)
            if old != new
        ]
        assert len(changed) == 1 or value == other_values(leaf)[0], name
        for old, new in changed:
            assert len(changed) == 1, name
            key, _, _ = old.partition(":")
            assert new.startswith(f"{key}:"), name
            assert new.endswith("# as I like it") == old.endswith("# as I like it"), name
        assert Host.open(home).config.explain(name).value == value, name
        file.write_text(text)
        host.config.reload()
    for leaf in keys:
        name, value = leaf[0], other_values(leaf)[1]
        if isinstance(value, list):
            host.config.set(name, value)
            assert Host.open(home).config.explain(name).value == value, name
            kept = [line for line in text.splitlines() if "#" in line]
            after = file.read_text().splitlines()
            missing = [line for line in kept if line not in after]
            assert len(missing) <= 1, name  # a comment of the line itself may go with a list
            file.write_text(text)
            host.config.reload()


def test_a_word_that_yaml_takes_for_a_truth_value_is_the_word(home: Path) -> None:
    (home / "config.yaml").write_text("approvals:\n  mode: off\n")
    host = Host.open(home)
    assert host.config.problems == []
    assert host.config.get("approvals.mode") == host.config.section("approvals").mode == "off"
    host.config.set("approvals.mode", "manual")
    host.config.set("approvals.mode", "off")
    assert Host.open(home).config.section("approvals").mode == "off"


def test_a_change_made_meanwhile_is_read_before_it_is_written(home: Path) -> None:
    file = home / "config.yaml"
    file.write_text("model: openai:one\n")
    mine, other = Host.open(home), Host.open(home)
    assert mine.config.get("model") == "openai:one"
    other.config.set("terminal.timeout", 5)
    mine.config.set("agent.max_turns", 7)
    assert yaml.safe_load(file.read_text()) == {
        "model": "openai:one",
        "terminal": {"timeout": 5},
        "agent": {"max_turns": 7},
    }
    assert mine.config.get("terminal.timeout") == 5
    file.write_text("model: [\n")  # broken meanwhile: nothing is written over what cannot be read
    with pytest.raises(ConfigError):
        mine.config.set("agent.max_turns", 8)
    assert file.read_text() == "model: [\n"


def test_every_secret_becomes_a_reference(home: Path, keys: list[Leaf]) -> None:
    secrets = [leaf for leaf in keys if leaf[1].get("format") == schemas.SECRET]
    assert secrets
    host = Host.open(home)
    for number, (name, _, _) in enumerate(secrets):
        value = f"a-secret-value-{number}"
        said = host.config.set(name, value)
        assert value not in said
        text = (home / "config.yaml").read_text() if (home / "config.yaml").exists() else ""
        assert value not in text
        assert value in (home / ".env").read_text()
        assert (home / ".env").stat().st_mode & 0o077 == 0
        found = Host.open(home).config.explain(name)
        assert found.value.startswith("env:") and value not in str(found)
        assert found.shadows[-1] == f"{found.value[4:]} is set in .env"
        (home / "config.yaml").write_text(yaml.safe_dump(nested(name, value)))
        (problem, *_) = Host.open(home).config.problems
        assert "not a secret" in str(problem) and value not in str(problem)
        (home / "config.yaml").unlink()


async def test_the_commands_say_the_same(system: Any) -> None:
    """Through the real program, once around."""
    file = system.home / "config.yaml"
    before = file.read_text()
    done = await system.run("config", "explain", "terminal.timeout")
    assert (done.status, done.out) == (0, "terminal.timeout = 180\n  from default\n"), done.errors
    done = await system.run("config", "set", "terminal.timeout", "60")
    assert (done.status, done.errors) == (0, "")
    assert "terminal.timeout = 60" in done.out and str(file) in done.out
    assert file.read_text().startswith(before)
    line = file.read_text().splitlines().index("  timeout: 60") + 1
    done = await system.run("config", "explain", "terminal.timeout")
    said = f"terminal.timeout = 60\n  from config.yaml:{line}\n  over default = 180\n"
    assert (done.status, done.out) == (0, said)
    done = await system.run("config", "set", "openai.api_key", "sk-0123456789")
    assert (done.status, done.errors) == (0, "") and "sk-0123456789" not in done.out
    assert "sk-0123456789" not in file.read_text()
    done = await system.run("config", "explain", "openai.api_key", OPENAI_API_KEY="from-outside-1")
    assert "from-outside-1" not in done.out and "sk-0123456789" not in done.out
    assert "OPENAI_API_KEY is set in environment, which shadows .env" in done.out
    done = await system.run("config", "check")
    assert (done.status, done.errors) == (0, ""), done.out
    done = await system.run("config", "unset", "terminal.timeout")
    assert "terminal.timeout = 180 (default)" in done.out
    file.write_text(file.read_text() + "terminl: {timeout: 5}\n")
    done = await system.run("config", "check")
    assert "terminl: unknown key (did you mean terminal?)" in done.out
