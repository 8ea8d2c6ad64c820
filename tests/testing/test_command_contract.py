"""The suite of commands passes good ones and fails each bad one for its own fault."""

from __future__ import annotations

from pathlib import Path

from hermes.testing.inner import run_mutants

SOURCE = '''
import click, pytest
from click import echo as say
from hermes import Rest, UsageError, command, group
from hermes.testing import CommandContract

def suite(made):
    class Suite(CommandContract):
        @pytest.fixture
        def command(self):
            return made
    return Suite

@command(role="user")
@click.option("--all", "everything", is_flag=True, help="Old ones too.")
@click.argument("text", type=Rest(), default="")
async def good(context, everything, text):
    """Show what is there."""
    context.reply(text)
class TestGood(suite(good)): pass

@group()
async def many(context):
    """Do several things."""
@many.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def list_(context, as_json):
    """List them."""
class TestGroup(suite(many)): pass

@command(surfaces={"cli"})
@click.option("--file", type=click.File("r"), help="To read.")
async def shell_only(context, file):
    """Read a file of this machine."""
    click.echo(file.read())
class TestShellOnly(suite(shell_only)): pass

@command()
async def no_help(context):
    pass
class TestNoHelp(suite(no_help)): pass

@command()
def not_async(context):
    """Show."""
class TestNotAsync(suite(not_async)): pass

@command(surfaces={"web"})
async def unknown_surface(context):
    """Show."""
class TestUnknownSurface(suite(unknown_surface)): pass

@command(role="king")
async def unknown_role(context):
    """Show."""
class TestUnknownRole(suite(unknown_role)): pass

@command()
@click.option("--bare")
async def bare_option(context, bare):
    """Show."""
class TestBareOption(suite(bare_option)): pass

@command()
@click.argument("path", type=click.Path())
async def path(context, path):
    """Show."""
class TestPath(suite(path)): pass

@command()
@click.option("--name", prompt=True, help="Yours.")
async def prompts(context, name):
    """Show."""
class TestPrompts(suite(prompts)): pass

@command()
@click.argument("text", type=Rest())
@click.argument("after")
async def rest_first(context, text, after):
    """Show."""
class TestRestFirst(suite(rest_first)): pass

@command()
async def echoes(context):
    """Show."""
    click.echo("shown")
class TestEchoes(suite(echoes)): pass

def show(text):
    say(text)
@command()
async def echoes_beneath(context):
    """Show."""
    show("shown")
class TestEchoesBeneath(suite(echoes_beneath)): pass

@command()
async def prints(context):
    """Show."""
    print("shown")
class TestPrints(suite(prints)): pass

@command()
async def current(context):
    """Show."""
    click.get_current_context()
class TestCurrent(suite(current)): pass

@group()
async def outer(context):
    """Do several things."""
@outer.command()
async def inner(context):
    """List them."""
    print("shown")
class TestBeneathGroup(suite(outer)): pass

@click.command()
async def clicks_own(context):
    """Show."""
class TestClicksOwn(suite(clicks_own)): pass

class Loud(type(good)):
    def get_help(self, ctx):
        print("help")
        return super().get_help(ctx)
loud = Loud("loud", callback=good.callback, help="Show.")
class TestLoudHelp(suite(loud)): pass
'''

FAULTS = {
    "TestGood": "",
    "TestGroup": "",
    "TestShellOnly": "",
    **dict.fromkeys(
        [
            "TestNoHelp",
            "TestNotAsync",
            "TestUnknownSurface",
            "TestUnknownRole",
            "TestBareOption",
            "TestPath",
            "TestPrompts",
            "TestRestFirst",
            "TestEchoes",
            "TestEchoesBeneath",
            "TestPrints",
            "TestCurrent",
            "TestBeneathGroup",
            "TestClicksOwn",
        ],
        "its_definition_holds",
    ),
    "TestLoudHelp": "its_help_is_a_reply_and_nothing_else",
}


def test_each_fault_fails_its_own_rule(tmp_path: Path) -> None:
    assert run_mutants(tmp_path, SOURCE, FAULTS) == {}
