"""List what plugins offer: runs in a child process, which a plugin may take down (§4.2).

pluggy knows signatures and marks. What it lets pass is checked here: hooks that do not exist,
wrappers and orders of call, functions that someone forgot to mark, offers that lead elsewhere.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import json
import os
import re
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import msgspec._json_schema
import pluggy

from hermes import hookspecs, schemas
from hermes.deprecation import HermesDeprecation
from hermes.errors import one_line
from hermes.index import described
from hermes.offers import Offer
from hermes.schemas import nearest
from hermes.settings import decode_hook, encode_hook, schema_hook

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("hermes_"))

ORDERS = ("wrapper", "hookwrapper", "tryfirst", "trylast")


class UnfitError(Exception):
    """The plugin cannot be taken in: says why, and where."""


def main(request: dict[str, Any]) -> None:
    """Answer on what was standard output: a line when a plugin begins, a line with its result."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    for entry in request["plugins"]:
        say({"begin": entry["name"]})
        say({"name": entry["name"], "result": examine(entry)})
    answers.close()
    os._exit(0)  # threads and exit handlers that a plugin left have no say


def examine(entry: dict[str, Any]) -> dict[str, Any]:
    """Import one plugin, call its hooks, check its offers."""
    before = set(sys.modules)
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", HermesDeprecation)
            module = load(entry["module"])
            offers = collect(entry["name"], module)
            for kind, offer in offers:
                check(kind, offer, entry["tops"])
            settings = {o.name: settings_schema(o) for kind, o in offers if kind == "settings"}
    except BaseException as error:  # noqa: BLE001  an isolation boundary
        return {"state": "failed", "why": said(error, entry["tops"])}
    return {
        "state": "active",
        "why": "",
        "offers": [{"kind": kind, **msgspec.structs.asdict(offer)} for kind, offer in offers],
        "settings": settings,
        "warnings": heavy(before, entry["tops"]) + outdated(heard),
        "files": [described(path) for path in loaded(entry["tops"])],
        "middleware": any(kind == "middleware" for kind, _ in offers),
    }


def load(place: str) -> Any:
    """Import ``module`` or ``module:attribute``."""
    module, _, attribute = place.partition(":")
    found = importlib.import_module(module)
    return functools.reduce(getattr, attribute.split("."), found) if attribute else found


def collect(name: str, plugin: Any) -> list[tuple[str, Offer]]:
    """Call each hook of the plugin alone, in a manager of its own."""
    manager = pluggy.PluginManager("hermes")
    manager.add_hookspecs(hookspecs)
    for hook, function in vars(plugin).items():
        if hook.startswith("hermes_") and inspect.isfunction(function):
            if hook not in HOOKS:
                raise UnfitError(f"no such hook: {hook}{nearest(hook, HOOKS)}")
            if not hasattr(function, "hermes_impl"):
                raise UnfitError(f"{hook} lacks @hookimpl")
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise UnfitError(
            re.sub(r"\s+", " ", str(error).partition("\nhook definition")[0])
        ) from None
    offers: list[tuple[str, Offer]] = []
    for hook in HOOKS:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if any(implementation.opts[option] for option in ORDERS):
                raise UnfitError(f"{hook} asks for an order of call or to wrap: hooks only offer")
            offers += [(hook.removeprefix("hermes_"), o) for o in result(hook, implementation)]
    twice = [f"{kind} {offer.name!r}" for kind, offer in offers]
    for each in twice:
        if twice.count(each) > 1:
            raise UnfitError(f"offers {each} twice")
    return offers


def result(hook: str, implementation: Any) -> list[Offer]:
    offers = implementation.function()
    if offers is None:
        return []
    if not isinstance(offers, (list, tuple)) or not all(isinstance(o, Offer) for o in offers):
        raise UnfitError(f"{hook} returned {type(offers).__name__}, not a list of Offer")
    return list(offers)


def check(kind: str, offer: Offer, tops: list[str]) -> None:
    """Check that the offer is well formed and its target is the plugin's own and there."""
    which = f"offer {offer.name!r} of hermes_{kind}"
    try:
        msgspec.convert(msgspec.to_builtins(offer), Offer)
    except msgspec.ValidationError as error:
        raise UnfitError(f"{which}: {error}") from None
    module, _, attribute = offer.target.partition(":")
    if not offer.name or not re.fullmatch(r"[\w.]+:[\w.]+", offer.target):
        raise UnfitError(f"{which}: target {offer.target!r} is not of the form module:attribute")
    if module.partition(".")[0] not in tops:
        raise UnfitError(
            f"{which}: target {offer.target} lies outside the distribution's own modules"
        )
    if module not in sys.modules and importlib.util.find_spec(module) is None:
        raise UnfitError(f"{which}: there is no module {module}")
    found = sys.modules.get(module)
    if isinstance(found, ModuleType) and not hasattr(found, attribute.partition(".")[0]):
        raise UnfitError(f"{which}: module {module} has no {attribute}")


def settings_schema(offer: Offer) -> dict[str, Any]:
    """Describe a section as JSON schema; a `Secret`'s default is its reference."""
    target = load(offer.target)
    return describe(target, f"settings {offer.target}")


def describe(target: Any, which: str) -> dict[str, Any]:
    """Give the schema of a section: a settings struct, or a mapping, a list, a value or nothing."""
    # msgspec passes no enc_hook for defaults (0.22); this process is ours alone.
    plain = functools.partial(msgspec.to_builtins, enc_hook=encode_hook)
    vars(msgspec._json_schema)["to_builtins"] = plain
    try:
        (schema,), definitions = msgspec.json.schema_components(
            [target], schema_hook=schema_hook, ref_template="#/$defs/{name}"
        )
        whole = {**schema, "$defs": definitions} if definitions else dict(schema)
        msgspec.convert(schemas.empty(whole), target, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        raise UnfitError(f"{which}: every field needs a default ({error})") from None
    return whole


def heavy(before: set[str], tops: list[str]) -> list[str]:
    """Name what listing the plugin imported beyond itself, `hermes` and the standard library."""
    here = {name.partition(".")[0] for name in before} | set(tops) | set(sys.stdlib_module_names)
    beyond = sorted({name.partition(".")[0] for name in set(sys.modules) - before} - here)
    return [f"imports {', '.join(beyond)} before it is used"] if beyond else []


def outdated(heard: list[warnings.WarningMessage]) -> list[str]:
    """Say what it uses that will go, each once."""
    said = [str(each.message) for each in heard if issubclass(each.category, HermesDeprecation)]
    return list(dict.fromkeys(said))


def loaded(tops: list[str]) -> list[str]:
    """Give the files of the plugin's own modules that are loaded now."""
    return sorted(
        file
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in tops and (file := getattr(module, "__file__", None))
    )


def said(error: BaseException, tops: list[str]) -> str:
    """Say the error in one line, with the plugin's own line that it came from."""
    if isinstance(error, UnfitError):
        return str(error)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if set(tops) & set(re.split(r"[/\\.]", frame.filename))
    ]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return one_line(error) + place
