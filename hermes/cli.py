"""The ``hermes`` command: finds the command that was named, and runs it.

What a start may import is a promise (§3): ``--version`` nothing, ``--help`` and completion click,
json and the index, a command only its own target. So everything here is imported late.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import click

    from hermes.index import Index

OWN = {
    "completion": ("hermes.shell:completion", "Print the completion script of a shell"),
    "gateway": ("hermes.gateway_cli:gateway", "Serve messengers: run, start, stop, status"),
    "plugins": ("hermes.shell:plugins", "List, check, enable and disable plugins"),
    "version": ("hermes.shell:version", "Say which Hermes, Python and plugins these are"),
}
"""The kernel's own commands. A plugin may add to one that has sub-commands: it offers the command
``plugins new``, and that is then ``hermes plugins new``."""


def main(argv: "list[str] | None" = None) -> int:
    """Run ``hermes`` with *argv* (what the shell gave, if left out) and give its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--version"], ["-V"]):
        from hermes import __version__  # noqa: PLC0415

        sys.stdout.write(f"hermes {__version__}\n")
        return 0
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # rather a question mark than an error
    try:
        status = run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        import os  # noqa: PLC0415

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing left to flush
        return 141
    except Exception as error:  # noqa: BLE001  the last boundary
        from hermes.errors import tell  # noqa: PLC0415

        return tell(error)


def run(arguments: "list[str]") -> int:
    """Take the options before the command, find it, run it."""
    import os  # noqa: PLC0415

    from hermes.index import home_folder, open_index  # noqa: PLC0415

    home = home_folder()
    while arguments[:1] == ["--home"] or (arguments[:1] and arguments[0].startswith("--home=")):
        _, given, value = arguments.pop(0).partition("=")
        if not given and not arguments:
            return _usage("--home wants a folder")
        home = home_folder(value if given else arguments.pop(0))
    if os.environ.get("_HERMES_COMPLETE"):
        return _complete(open_index(home), home)
    if arguments[:1] in (["--help"], ["-h"]):
        import click  # noqa: PLC0415

        _root(open_index(home), home).main(["--help"], "hermes", standalone_mode=False)
        del click
        return 0
    if not arguments or arguments[0].startswith("-"):
        arguments = ["chat", *arguments]
    name, *rest = arguments
    if name not in OWN:
        index = open_index(home)
        offered = index.offers("commands")
        known = [one for one, found in offered.items() if " " not in one and not found[0]["family"]]
        if name not in known:
            return _unknown(name, [*OWN, *known], index)
    from hermes.shell import run_command  # noqa: PLC0415

    return run_command(name, rest, home, OWN.get(name, ("", ""))[0])


def _usage(text: str) -> int:
    print(f"hermes: {text}", file=sys.stderr)
    return 2


def _unknown(name: str, known: "list[str]", index: "Index") -> int:
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(name, known, n=1)
    if name == "chat":
        return _usage("no chat is installed: pip install hermes-plugin-chat")
    for entry in index.entries.values():
        state = index.state(entry)
        if state != "active" and (
            entry["name"] == name or any(offer["name"] == name for offer in entry["offers"])
        ):
            return _usage(f"{name}: plugin {entry['name']} is {state}; see `hermes plugins`")
    mend = f"did you mean {near[0]}?" if near else "`hermes --help` lists them"
    return _usage(f"no command named {name} ({mend})")


def _root(index: "Index", home: str) -> "click.Group":
    """Make the group that help and completion show: every name from the index, nothing imported."""
    import click  # noqa: PLC0415

    offers = {name: found[0] for name, found in index.offers("commands").items() if len(found) == 1}
    shown = {
        name: offer["summary"]
        for name, offer in offers.items()
        if " " not in name
        and not (offer["hidden"] or offer["family"])
        and "cli" in offer.get("surfaces", ("cli",))
    }
    shown = dict(sorted({**shown, **{name: summary for name, (_, summary) in OWN.items()}}.items()))

    class Root(click.Group):
        def list_commands(self, ctx: "click.Context") -> "list[str]":
            return list(shown)

        def get_command(self, ctx: "click.Context", cmd_name: str) -> "click.Command | None":
            if cmd_name not in OWN and cmd_name not in offers:
                return None
            from pathlib import Path  # noqa: PLC0415

            from hermes.plugins import Host  # noqa: PLC0415
            from hermes.shell import find  # noqa: PLC0415

            return find(cmd_name, Host.open(Path(home)), OWN.get(cmd_name, ("", ""))[0])

        def format_commands(self, ctx: "click.Context", formatter: "click.HelpFormatter") -> None:
            width = formatter.width - 6 - max(map(len, shown))
            rows = [(name, text[:width]) for name, text in shown.items()]
            with formatter.section("Commands"):
                formatter.write_dl(rows)

        def shell_complete(self, ctx: "click.Context", incomplete: str) -> "list[Any]":
            from click.shell_completion import CompletionItem  # noqa: PLC0415

            names = [name for name in shown if name.startswith(incomplete)]
            found: list[Any] = [CompletionItem(name, help=shown[name]) for name in names]
            return found + click.Command.shell_complete(self, ctx, incomplete)

    root = Root("hermes", help="An agent that is made of plugins. Without a command: chat.")
    root.params += [
        click.Option(["--home"], metavar="PATH", help="The home folder, instead of ~/.hermes."),
        click.Option(["--version", "-V"], is_flag=True, help="Say the version and exit."),
    ]
    return root


def _complete(index: "Index", home: str) -> int:
    import os  # noqa: PLC0415

    from click.shell_completion import shell_complete  # noqa: PLC0415

    asked = os.environ["_HERMES_COMPLETE"]
    return shell_complete(_root(index, home), {}, "hermes", "_HERMES_COMPLETE", asked)
