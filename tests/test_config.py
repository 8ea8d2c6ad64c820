"""config.yaml: what counts, what is said, and that a change touches nothing else."""

from __future__ import annotations

import stat
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from hermes import ConfigError, PluginError
from hermes.document import Document

SETTINGS = """
import msgspec
from typing import Literal
from hermes import Secret
class Inner(msgspec.Struct, frozen=True):
    depth: int = 2
    labels: tuple[str, ...] = ()
class Settings(msgspec.Struct, frozen=True):
    api_key: Secret = Secret("env:GOOD_KEY")
    timeout: float = 60
    retries: int | None = 2
    mode: Literal["fast", "slow"] = "fast"
    name: str = "x"
    on: bool = True
    inner: Inner = Inner()
    servers: dict[str, Inner] = {}
    own_key: str = ""
    labels: dict[str, str] = {}
"""


@pytest.fixture
def good(site: Any) -> Any:
    site.install(
        "good",
        """
        @hookimpl
        def hermes_settings():
            return [Offer("good", "hermes_plugin_good.settings:Settings", "")]
        """,
        settings=SETTINGS,
    )
    return site


def problems(site: Any) -> list[str]:
    return [problem.text for problem in site.host().config.problems]


def test_nothing_written_means_the_defaults(good: Any) -> None:
    config = good.host().config
    assert config.problems == []
    assert config.section("hermes").terminal.backend == "local"
    assert config.section("hermes").agent.max_turns == 90
    assert config.section("good").timeout == 60
    assert config.get("good.inner") == {"depth": 2, "labels": []}
    assert not (good.home / "config.yaml").exists()


def test_a_section_is_the_plugin_s_validated_struct(good: Any) -> None:
    good.write(
        """
        model: openai:gpt
        terminal: {backend: docker, timeout: "30"}
        good:
          timeout: 5
          retries: null
          inner:
          servers:
            one: {depth: 4}
        """
    )
    config = good.host().config
    assert config.problems == []
    section = config.section("good")
    assert (section.timeout, section.retries, section.inner.depth) == (5.0, None, 2)
    assert section.servers["one"].depth == 4
    assert config.section("hermes").terminal.timeout == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("good:\n  timeout: abc", 'config.yaml:2: good.timeout: expected a number, got "abc"'),
        ("good:\n  retries: 1.5", "config.yaml:2: good.retries: expected a whole number, got 1.5"),
        ("good:\n  mode: warm", 'config.yaml:2: good.mode: expected fast or slow, got "warm"'),
        ("good:\n  on: maybe", 'config.yaml:2: good.on: expected true or false, got "maybe"'),
        ("good:\n  name: [a]", "config.yaml:2: good.name: expected text, got a list"),
        ("good: 3", "config.yaml:1: good: expected a section, got 3"),
        (
            "good:\n  inner:\n    labels: [a, 1]",
            "config.yaml:3: good.inner.labels.1: expected text, got 1",
        ),
        (
            "good:\n  servers:\n    one: {depht: 1}",
            "config.yaml:3: good.servers.one.depht: unknown key (did you mean depth?)",
        ),
        ("good:\n  timout: 1", "config.yaml:2: good.timout: unknown key (did you mean timeout?)"),
        ("termnal:\n  x: 1", "config.yaml:1: termnal: unknown key (did you mean terminal?)"),
        ("store: [a]", "config.yaml:1: store: expected text, got a list"),
        ("good: {}\ngood: {}", "config.yaml:2: good is written twice"),
        ("good:\n  name: ${NOWHERE}", "config.yaml:2: good.name: ${NOWHERE} is set nowhere"),
        ("a: [1\nb: 2", "config.yaml:2: not valid YAML: did not find expected ',' or ']'"),
        ("- a\n- b", "config.yaml:1: expected `key: value` lines"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(good: Any, text: str, said: str) -> None:
    good.write(text)
    assert problems(good) == [said]


def test_a_literal_secret_is_refused_without_being_repeated(good: Any) -> None:
    good.write("good:\n  api_key: sk-123456789\n")
    host = good.host()
    (said,) = [p.text for p in host.config.problems]
    assert said.startswith("config.yaml:2: good.api_key: expected a reference such as env:NAME")
    assert "sk-1" not in said
    assert host.secrets.redact("sk-123456789") == "[secret]"


@pytest.mark.parametrize("broken", ["good: [", "good:\n  timeout: abc\n", "good: {timeout: ~"])
def test_a_broken_file_leaves_the_last_good_one_in_use_and_says_so(good: Any, broken: str) -> None:
    good.write("# mine\ngood:\n  timeout: 7\nmodel: openai:gpt\n")
    assert good.host().config.section("good").timeout == 7

    good.write(broken)
    config = good.host().config
    assert config.section("good").timeout == 7
    assert config.section("hermes").model == "openai:gpt"
    assert [p.level for p in config.problems] == ["error", "warning"]
    assert "last good version" in config.problems[1].text
    assert (good.home / "config.yaml").read_text() == broken

    good.write("good:\n  timeout: 8\n")
    assert good.host().config.section("good").timeout == 8
    assert problems(good) == []


def test_a_first_file_that_is_broken_is_an_error_and_a_wrong_value_leaves_the_default(
    good: Any,
) -> None:
    good.write("good: [")
    host = good.host()
    assert host.config.problems[0].level == "error"
    with pytest.raises(ConfigError, match=r"config\.yaml:\d: not valid YAML"):
        host.config.section("good")

    good.write("good:\n  timeout: abc\n  name: kept\n")
    section = good.host().config.section("good")
    assert (section.timeout, section.name) == (60, "kept")


def test_bytes_that_are_not_text_are_an_error_in_one_line(good: Any) -> None:
    good.home.mkdir(exist_ok=True)
    (good.home / "config.yaml").write_bytes(b"model: \xff\xfe")
    (said,) = problems(good)
    assert "cannot be read" in said


def test_hermes_agent_s_keys_are_one_warning_and_what_we_have_is_taken(site: Any) -> None:
    site.write(
        """
        _config_version: 33
        model: {default: gpt-5, provider: openrouter, base_url: "http://x", context_length: 9}
        toolsets: [hermes-cli]
        memory: {memory_enabled: true, provider: honcho}
        auxiliary:
          transient_retries: 2
          vision: {provider: openai, model: see, timeout: 120}
          compression: {provider: auto, model: ""}
        terminal: {backend: docker, docker_image: x, modal_mode: auto}
        display: {compact: true}
        kanban: {failure_limit: 2}
        """
    )
    config = site.host().config
    (said,) = [p.text for p in config.problems]
    assert said.startswith("config.yaml: keys of Hermes Agent that nothing here reads: ")
    kernel = config.section("hermes")
    assert kernel.model == "openrouter:gpt-5"
    assert kernel.model_options == {"base_url": "http://x", "context_length": 9}
    assert (kernel.toolsets, kernel.memory) == ((), "honcho")
    assert kernel.memory_options == {"memory_enabled": True}
    assert kernel.auxiliary == {"vision": "openai:see"}
    assert kernel.terminal.backend == "docker"


def test_a_section_of_a_plugin_that_is_not_active_is_no_mistake(good: Any) -> None:
    good.write("good: {timeout: 3}\nplugins: {disabled: [good]}\n")
    assert problems(good) == []


def test_variables_are_put_in_from_the_environment_before_env_file(
    good: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good.write('good: {name: "a ${FROM_ENV} ${FROM_FILE}", timeout: "${SECONDS}"}\n')
    (good.home / ".env").write_text("FROM_ENV=no\nFROM_FILE=file\nSECONDS=4\n")
    monkeypatch.setenv("FROM_ENV", "env")
    section = good.host().config.section("good")
    assert (section.name, section.timeout) == ("a env file", 4.0)


def test_explain_says_value_place_and_what_is_shadowed(good: Any, monkeypatch: Any) -> None:
    good.write("# x\ngood:\n  timeout: 5\n")
    config = good.host(good__timeout=9, terminal__backend="ssh").config

    explained = config.explain("good.timeout")
    assert (explained.value, explained.source) == (9, "override")
    assert explained.shadows == ("config.yaml:3 = 5", "default = 60")
    assert config.section("good").timeout == 9
    assert config.section("hermes").terminal.backend == "ssh"
    assert config.explain("good.mode").source == "default"
    assert config.explain("good").value["timeout"] == 9
    assert config.explain("model").value == ""

    monkeypatch.setenv("GOOD_KEY", "abcdefghij")
    (good.home / ".env").write_text("GOOD_KEY=klmnopqrst\n")
    explained = config.explain("good.api_key")
    assert (explained.value, explained.source) == ("env:GOOD_KEY", "default")
    assert explained.shadows == ("GOOD_KEY is set in environment, which shadows .env",)
    with pytest.raises(ConfigError, match=r"unknown key good\.timout \(did you mean timeout\?\)"):
        config.explain("good.timout")


def test_an_override_of_the_wrong_type_is_an_error(good: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"good\.timeout \(given for this run\): expected a number"
    ):
        good.host(good__timeout="abc").config.section("good")


def test_set_touches_one_value(good: Any) -> None:
    text = """\
# My settings
model:   "openai:gpt"   # the good one

terminal:
    # deep
    backend: local # here
    env_passthrough:
        - A   # first
        - B
    # after the list
good: {timeout: 5, name: 'é ☃'}   # flow
"""
    good.write(text)
    file = good.home / "config.yaml"
    file.chmod(0o640)
    config = good.host().config

    config.set("model", "local:qwen")
    text = text.replace('"openai:gpt"', "local:qwen")
    assert file.read_text() == text
    config.set("terminal.backend", "docker")
    text = text.replace("backend: local", "backend: docker")
    assert file.read_text() == text
    config.set("good.timeout", "7.5")
    text = text.replace("timeout: 5", "timeout: 7.5")
    assert file.read_text() == text
    config.set("terminal.scope", "chat")
    text = text.replace("        - B\n", "        - B\n    scope: chat\n")
    assert file.read_text() == text
    config.set("good.inner.depth", 3)
    text = text.replace("{timeout", '{"inner": {"depth": 3}, timeout')
    assert file.read_text() == text
    config.set("terminal.env_passthrough", "[A, C]")
    text = text.replace(
        "env_passthrough:\n        - A   # first\n        - B", 'env_passthrough: ["A", "C"]'
    )
    assert file.read_text() == text
    config.set("agent.max_turns", 5)
    text += "agent:\n  max_turns: 5\n"
    assert file.read_text() == text
    config.unset("terminal.scope")
    text = text.replace("    scope: chat\n", "")
    assert file.read_text() == text

    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert config.section("good").inner.depth == 3
    assert config.section("hermes").terminal.env_passthrough == ("A", "C")


def test_set_refuses_what_does_not_fit_and_writes_nothing(good: Any) -> None:
    good.write("good: {timeout: 5}\n")
    config = good.host().config
    for key, value, said in [
        ("good.timeout", "abc", "good.timeout: expected a number"),
        ("good.timout", "1", "did you mean timeout"),
        ("goood.timeout", "1", "did you mean good"),
        ("good.timeout.x", "1", "unknown key"),
        ("good.mode", "warm", "expected fast or slow"),
        ("hermes.model", "x", "unknown key"),
    ]:
        with pytest.raises(ConfigError, match=said):
            config.set(key, value)
    assert (good.home / "config.yaml").read_text() == "good: {timeout: 5}\n"


def test_set_reads_the_file_again_first(good: Any) -> None:
    good.write("good: {timeout: 5}\n")
    config = good.host().config
    assert config.get("good.timeout") == 5
    good.write("good: {timeout: 5, name: other}\n")
    config.set("good.timeout", 6)
    assert config.get("good.name") == "other"


def test_a_change_goes_through_a_link_to_the_file_behind(good: Any, tmp_path: Any) -> None:
    (tmp_path / "dotfiles.yaml").write_text("model: a:b\n")
    good.home.mkdir(exist_ok=True)
    (good.home / "config.yaml").symlink_to(tmp_path / "dotfiles.yaml")
    good.host().config.set("model", "c:d")
    assert (good.home / "config.yaml").is_symlink()
    assert (tmp_path / "dotfiles.yaml").read_text() == "model: c:d\n"


def test_setting_a_secret_puts_it_into_env_file_and_keeps_the_reference(good: Any) -> None:
    good.write("good:\n  name: x # mine\n")
    config = good.host().config
    said = config.set("good.api_key", "sk-1234567")
    assert "sk-" not in said
    assert (good.home / ".env").read_text() == "GOOD_KEY=sk-1234567\n"
    assert stat.S_IMODE((good.home / ".env").stat().st_mode) == 0o600
    assert (good.home / "config.yaml").read_text() == "good:\n  name: x # mine\n"

    config.set("good.api_key", "env:OTHER")
    config.set("good.api_key", "with 'blank' \"and\" $")
    assert config.get("good.api_key") == "env:OTHER"
    assert good.host().secrets.variable("OTHER") == "with 'blank' \"and\" $"
    config.set("good.api_key", "command:pass show x")
    config.set("good.api_key", "sk-999999")
    assert config.get("good.api_key") == "env:GOOD_API_KEY"
    assert "sk-" not in (good.home / "config.yaml").read_text()


def test_a_secret_among_names_of_one_s_own_is_kept_elsewhere_too(good: Any) -> None:
    config = good.host().config
    said = config.set("good.labels.GH_TOKEN", "ghp_1234567")
    assert "ghp_" not in said
    assert "GOOD_LABELS_GH_TOKEN" in said
    written = (good.home / "config.yaml").read_text()
    assert "${GOOD_LABELS_GH_TOKEN}" in written
    host = good.host()
    assert host.config.get("good.labels.GH_TOKEN") == "ghp_1234567"
    assert host.secrets.redact("ghp_1234567") == "[secret]"
    for value in ("${MINE}", "env:MINE"):  # it refers to one already
        host.config.set("good.labels.GH_TOKEN", value)
        assert value in (good.home / "config.yaml").read_text()
    host.config.set("good.labels.COLOUR", "red")
    assert "COLOUR: red" in (good.home / "config.yaml").read_text()
    host.config.set("good.own_key", "~/.ssh/id")  # a struct's own: its author knows what it is
    assert "own_key: ~/.ssh/id" in (good.home / "config.yaml").read_text()
    assert "MINE" not in (good.home / ".env").read_text()


STRICT = """
import msgspec
class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    deny: tuple[str, ...] = ()
    mode: str = "manual"
"""


@pytest.mark.parametrize(
    "written", ["deny: {a: b}", "denny: [x]", "mode: [off]", "{deny: [x], mode: 7, more: 1}"]
)
def test_a_strict_section_counts_as_it_is_written_or_not_at_all(site: Any, written: str) -> None:
    site.install(
        "good",
        """
        @hookimpl
        def hermes_settings():
            return [Offer("good", "hermes_plugin_good.settings:Settings", "")]
        """,
        settings=STRICT,
    )
    site.write(f"model: a:b\ngood:\n  {written}\n")
    config = site.host().config
    with pytest.raises(ConfigError, match=r"config\.yaml:3: good\.(deny|denny|mode|more)"):
        config.section("good")
    assert config.section("hermes").model == "a:b", "others go on"
    assert config.spoilt("good")
    site.write("good:\n  deny: [x]\n")
    config = site.host().config
    assert config.section("good").deny == ("x",)
    assert not config.spoilt("good")


def test_the_revision_changes_with_the_configuration(good: Any) -> None:
    config = good.host().config
    before = config.revision
    assert not config.reload()
    config.set("model", "a:b")
    assert config.revision != before
    assert good.host().config.revision == config.revision
    assert good.host(model="c:d").config.revision != config.revision


@pytest.mark.parametrize(
    ("text", "path", "value", "after"),
    [
        ("", "a.b", 1, "a:\n  b: 1\n"),
        ("# only words", "a", True, "# only words\na: true\n"),
        ("a:", "a", 1, "a: 1"),
        ("a:\nb: 2\n", "a.c", 1, "a:\n  c: 1\nb: 2\n"),
        ("a: # why\nb: 2\n", "a.c", 1, "a: # why\n  c: 1\nb: 2\n"),
        ("a: {}\n", "a.c", 1, 'a: {"c": 1}\n'),
        ("a: null\n", "a.c", 1, 'a: {"c": 1}\n'),
        ("a: {b: }\n", "a.b.c", 1, None),
        ("a: |\n  x\n  y\nb: 1\n", "a", "z", "a: z\nb: 1\n"),
        ("a: >\n  x\n\n\n", "b", 1, "a: >\n  x\nb: 1\n\n\n"),
        ("a: &k 1\nb: *k\n", "b", 2, "a: &k 1\nb: 2\n"),
        ("a: &k 1\nb: *k\n", "c", 2, "a: &k 1\nb: *k\nc: 2\n"),
        ("a: &k {x: 1}\nb: *k\n", "b.x", 2, ConfigError),
        ("a: &k 1\nb: *k\n", "a", 2, ConfigError),
        ("a: 1\r\nb: 2\r\n", "b", 3, "a: 1\r\nb: 3\r\n"),
        ("a: 1\r\nb: 2\r\n", "c", 3, "a: 1\r\nb: 2\r\nc: 3\r\n"),
        ("a:\r\nb: 2\r\n", "a.c", 1, "a:\r\n  c: 1\r\nb: 2\r\n"),
        ("a: {b}\n", "a.b", 1, ConfigError),
        ("\ufeffa: 1\n", "a", 3, "\ufeffa: 3\n"),
        ("a: 1\n...\n", "b", 3, "a: 1\nb: 3\n...\n"),
        ("---\na: 1\n", "b", "yes", '---\na: 1\nb: "yes"\n'),
        ('"a": 1 # x', "a", "12:30", '"a": "12:30" # x'),
        ("a: 1 # x", "b", None, "a: 1 # x\nb: null\n"),
        ("a:\n- 1\n- 2\n# c\nb: 1", "a", [3], "a: [3]\n# c\nb: 1"),
        ("a:\n- 1\n- 2\n# c\nb: 1", "c", "x y", 'a:\n- 1\n- 2\n# c\nb: 1\nc: "x y"\n'),
        ("a: 5", "a.b", 1, ConfigError),
        ("a: x\n\n# tail\n", "b", 1, "a: x\nb: 1\n\n# tail\n"),
    ],
)
def test_values_are_put_at_their_place(text: str, path: str, value: Any, after: Any) -> None:
    document = Document(text)
    if after is ConfigError:
        with pytest.raises(ConfigError):
            document.setting(tuple(path.split(".")), value)
    else:
        made = document.setting(tuple(path.split(".")), value)
        assert after is None or made.rstrip("\n") == after.rstrip("\n")


keys = st.text("abyno_é1", min_size=1, max_size=3)
scalars = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=3)
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(keys, values, max_size=4),
    st.lists(keys, min_size=1, max_size=3),
    scalars | st.lists(scalars, max_size=3),
    st.sampled_from([None, True, False]),
    st.integers(2, 6),
)
def test_any_value_in_any_file_is_set_exactly_or_refused(
    data: Any, path: list[str], value: Any, style: Any, indent: int
) -> None:
    text = yaml.safe_dump(data, default_flow_style=style, indent=indent, allow_unicode=True)
    text = "# first\n" + text + "# last\n" if data else "# only\n"
    try:
        made = Document(text).setting(tuple(path), value)
    except ConfigError:
        inner = data
        for name in path[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else inner
        assert inner is not None
        assert not isinstance(inner, dict), text  # only what lies beneath a value is refused
        return
    found = Document(made).data
    for name in path:
        found = found[name]
    assert found == value
    assert Document(made).unsetting(tuple(path)) is not None


def test_a_section_may_be_a_list_a_choice_or_nothing(site: Any) -> None:
    offers = """
        from hermes import hookimpl

        @hookimpl
        def hermes_settings():
            names = ("steps", "either", "strict")
            return [Offer(n, f"hermes_plugin_shapes.settings:{n.title()}", n) for n in names]
    """
    settings = """
        from __future__ import annotations
        import msgspec

        class Step(msgspec.Struct, frozen=True):
            name: str
            times: int = 1

        Steps = list[Step]
        Either = list[str] | Step | None
        Strict = bool | None
    """
    site.install("shapes", offers, settings=settings)
    site.write("steps: [{name: wash, times: '2'}]\neither: [a, b]\nstrict: false\n")
    assert site.plugin("shapes").reason == ""
    config = site.host().config
    assert config.problems == []
    assert [(step.name, step.times) for step in config.section("steps")] == [("wash", 2)]
    assert config.section("either") == ["a", "b"]
    assert config.section("strict") is False
    site.write("steps: [{nmae: wash}]\n")
    config = site.host().config
    assert "steps" in str(config.problems[0])
    site.write("model: x\n")
    config = site.host().config
    assert [config.section(name) for name in ("steps", "either", "strict")] == [[], None, None]


def test_a_plain_variable_is_read_from_env_and_not_redacted(site: Any) -> None:
    site.write("")
    (site.home / ".env").write_text("TEAM_MEMBERS=anna-maria,robert\n")
    host = site.host()
    assert host.config.variable("TEAM_MEMBERS") == "anna-maria,robert"
    assert host.secrets.redact("anna-maria,robert") == "anna-maria,robert"
    assert host.config.variable("NOBODY") is None
    with pytest.raises(PluginError, match="Secret"):
        host.config.variable("TEAM_TOKEN")


def test_a_copy_that_cannot_be_read_hurts_no_file_that_can(good: Any) -> None:
    good.write("good:\n  timeout: 7\n")
    (good.home / "cache").mkdir(exist_ok=True)
    (good.home / "cache" / "config.good.yaml").write_bytes(b"\xff\xfe")
    assert good.host().config.section("good").timeout == 7

    good.write("good: [")
    assert good.host().config.section("good").timeout == 7
