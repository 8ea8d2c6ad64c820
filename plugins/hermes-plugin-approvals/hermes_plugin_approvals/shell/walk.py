"""Goes through a command's syntax tree and gathers what it would run and do."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hermes_plugin_approvals.shell import programs
from hermes_plugin_approvals.shell.effects import Command, Does, Effect, Kind, Outcome, Script
from hermes_plugin_approvals.shell.syntax import Node, Parser, Unreadable
from hermes_plugin_approvals.shell.words import (
    GLOBS,
    MOST,
    NUMBER,
    SOMEBODY,
    UNKNOWN,
    Unclear,
    Word,
    arithmetic,
    check,
    expand,
    one,
)

DEPTH = 6
"""How deep texts that are run by other texts (``sh -c "…"``) are followed."""
FOLDERS = 16
"""Directories that a command may be in before that counts as not known."""
HARMLESS_VARIABLES = frozenset(
    {"LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_MESSAGES", "LC_NUMERIC", "LC_TIME", "LANG",
     "LANGUAGE", "TZ", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CI"}
)  # fmt: skip
"""Variables that a command may be given without a question."""


class Ran(NamedTuple):
    """One command."""

    words: tuple[Word, ...]
    """Those that are not known are empty."""
    folders: tuple[str, ...]
    """Where it may run; none: not known."""


class Reading(NamedTuple):
    """All that a command would do, in any of its branches."""

    effects: tuple[Effect, ...]
    commands: tuple[Ran, ...]
    """Every command, the ones that others run too."""
    writes_to: tuple[str, ...]
    """Where redirections write."""
    names: frozenset[str]
    """Words that must be the programs that they seem to be."""
    bombs: bool
    """A function runs itself twice at once."""


async def read(
    text: str, directory: str, parser: Parser, *, home: str = "", exported: Iterable[str] = ()
) -> Reading:
    """Read the command *text* as it would run in *directory*. Raise `Unreadable`.

    *home* is what ``~`` stands for, *exported* the variables that every program gets.
    """
    walker = _Walker(parser, directory, home, frozenset(exported))
    await walker.script(text)
    return Reading(
        tuple(dict.fromkeys(walker.effects)),
        tuple(walker.commands),
        tuple(walker.writes_to),
        frozenset(walker.names),
        walker.bombs,
    )


_State = tuple[dict[str, tuple[str, ...]], tuple[str, ...]]


class _Walker:
    """Holds what is known where the walk stands: variables and possible directories."""

    def __init__(self, parser: Parser, directory: str, home: str, exported: frozenset[str]) -> None:
        self.effects: list[Effect] = []
        self.commands: list[Ran] = []
        self.writes_to: list[str] = []
        self.names: set[str] = set()
        self.bombs = False
        self._parser = parser
        self._exported = exported
        self._depth = 0
        self._variables: dict[str, tuple[str, ...]] = {"HOME": (home,)} if home else {}
        self._failures: list[_State] = []
        """How it may stand after this statement if a part of it failed."""
        self._folders: tuple[str, ...] = (directory,) if directory.startswith("/") else ()

    async def script(self, text: str) -> None:
        tree = await self._parser.parse(text)
        await self._statements(tree.get("Stmts", ()))

    # -- statements ---------------------------------------------------------------------------

    async def _statements(self, statements: Sequence[Node]) -> None:
        around, self._failures = self._failures, []
        for statement in statements:
            before = self._state()
            await self._statement(statement)
            if self._folders != before[1]:  # a `cd` that failed left it where it was
                self._failures.append((self._variables, before[1]))
            for failure in self._failures:
                self._merge(failure)
            self._failures.clear()
        self._failures = around

    async def _statement(self, statement: Node) -> None:
        if statement.get("Coprocess") or statement.get("Disown"):
            self._unknown("it puts a process beside itself")
        if statement.get("Background"):
            await self._apart(self._one_statement, statement)
        else:
            await self._one_statement(statement)

    async def _one_statement(self, statement: Node) -> None:
        for redirection in statement.get("Redirs", ()):
            await self._redirection(redirection)
        command = statement.get("Cmd")
        if command is not None:
            await self._command(command)

    async def _command(self, node: Node) -> None:
        match node["Type"]:
            case "CallExpr":
                await self._call(node)
            case "BinaryCmd":
                await self._binary(node)
            case "Block":
                await self._statements(node.get("Stmts", ()))
            case "Subshell":
                await self._apart(self._statements, node.get("Stmts", ()))
            case "IfClause":
                await self._if(node)
            case "WhileClause":
                await self._loop([*node.get("Cond", ()), *node.get("Do", ())])
            case "ForClause":
                await self._for(node)
            case "CaseClause":
                await self._case(node)
            case "TimeClause":
                if node.get("Stmt"):
                    await self._statement(node["Stmt"])
            case "ArithmCmd":
                await self._inner(node)
                self._calculate(node.get("X"))
            case "TestClause":
                await self._inner(node)
                self._test(node.get("X"))
            case other:
                await self._other(other, node)

    async def _other(self, kind: str, node: Node) -> None:
        """What may change the shell for later commands, or is not known: asked about."""
        said = {
            "FuncDecl": "it defines a function",
            "DeclClause": "it changes variables that later commands get",
            "LetClause": "it calculates",
            "CoprocClause": "it puts a process beside itself",
        }
        self._unknown(said.get(kind, f"it has a part ({kind}) that is not known"))
        if kind == "FuncDecl":
            self.bombs = self.bombs or _bombs(node)
            await self._apart(self._statement, node["Body"])
        elif node.get("Stmt"):
            await self._apart(self._statement, node["Stmt"])
        else:
            await self._inner(node)
        self._variables.clear()

    async def _binary(self, node: Node) -> None:
        if node["Op"] not in ("&&", "||"):
            await self._apart(self._statement, node["X"])
            await self._apart(self._statement, node["Y"])
            return
        before = self._state()
        await self._statement(node["X"])
        after = self._state()
        if node["Op"] == "&&":  # the right side sees what the left did when it succeeded
            self._failures += [before, after]
            await self._statement(node["Y"])
            return
        for failure in (before, *self._failures):
            self._merge(failure)
        await self._statement(node["Y"])
        self._merge(after)

    async def _if(self, node: Node) -> None:
        await self._statements(node.get("Cond", ()))
        before = self._state()
        await self._statements(node.get("Then", ()))
        after = self._state()
        self._restore(before)
        if node.get("Else"):
            await self._if(node["Else"])
        self._merge(after)

    async def _for(self, node: Node) -> None:
        loop = node["Loop"]
        if node.get("Select") or loop["Type"] not in ("WordIter", "CStyleLoop"):
            self._unknown("it has a loop that is not known")
        await self._inner(loop)
        name, values = "", UNKNOWN
        if loop["Type"] == "CStyleLoop":
            for part in ("Init", "Cond", "Post"):
                self._calculate(loop.get(part))
            name, values = _assigned(loop.get("Init")), Word((NUMBER,))
        else:
            name = loop["Name"]["Value"]
            items = self._expand(loop.get("Items") or ())
            self._globs(items)
            if items and all(item.values for item in items):
                values = Word(tuple(dict.fromkeys(v for item in items for v in item.values)))
            if len(values.values) > MOST:
                values = UNKNOWN
        await self._loop(node.get("Do", ()), name, values)

    async def _loop(self, body: Sequence[Node], name: str = "", values: Word = UNKNOWN) -> None:
        """Walk a body that may run any number of times: what it changes is not known before."""
        before = self._state()
        self._forget(body)
        if name:
            self._assign(name, values)
        await self._statements(body)
        self._merge(before)

    async def _case(self, node: Node) -> None:
        await self._inner(node.get("Word"))
        before = self._state()
        ends = [before]
        for item in node.get("Items", ()):
            for pattern in item.get("Patterns", ()):
                await self._inner(pattern)
            self._restore(before)
            await self._statements(item.get("Stmts", ()))
            ends.append(self._state())
            if item.get("Op") != ";;":
                self._unknown("it has a case that falls through")
        for end in ends:
            self._merge(end)

    # -- state --------------------------------------------------------------------------------

    def _state(self) -> _State:
        return dict(self._variables), self._folders

    def _restore(self, state: _State) -> None:
        self._variables, self._folders = dict(state[0]), state[1]

    def _merge(self, other: _State) -> None:
        """Know only what holds whichever way it went."""
        variables, folders = other
        merged = {
            name: tuple(dict.fromkeys(values + variables[name]))
            for name, values in self._variables.items()
            if name in variables
        }
        self._variables = {name: v for name, v in merged.items() if len(v) <= MOST}
        both = self._folders and folders
        self._folders = tuple(dict.fromkeys(self._folders + folders)) if both else ()
        if len(self._folders) > FOLDERS:
            self._folders = ()

    async def _apart(self, walk: Any, what: Any) -> None:
        """Walk what runs in a shell of its own: its changes end with it."""
        before, failures = self._state(), self._failures
        self._failures = []
        await walk(what)
        self._restore(before)
        self._failures = failures

    def _forget(self, body: Sequence[Node]) -> None:
        for node in _nodes(body):
            for assign in node.get("Assigns") or ():
                parts = (assign.get("Value") or {}).get("Parts") or []
                counted = [part["Type"] for part in parts] == ["ArithmExp"]
                self._forget_one(assign["Name"]["Value"], counted=counted)
            if counted_name := _assigned(node):
                self._forget_one(counted_name, counted=True)
            loop = node.get("Loop")
            if isinstance(loop, dict) and loop.get("Name"):
                self._variables.pop(loop["Name"]["Value"], None)
            if node.get("Type") in ("DeclClause", "LetClause"):
                self._variables.clear()
            if node.get("Type") == "CallExpr" and node.get("Args"):
                first = _plain(node["Args"][0])
                if first not in _KEEPS_VARIABLES:
                    self._variables = {k: v for k, v in self._variables.items() if k == "HOME"}
                if first in ("cd", "pushd", "popd", "eval", "builtin", "command"):
                    self._folders = ()

    def _forget_one(self, name: str, *, counted: bool) -> None:
        """Forget a variable's value; one that is a number and is counted on stays a number."""
        values = self._variables.pop(name, ())
        if counted and values and all(v == NUMBER or v.lstrip("-").isdigit() for v in values):
            self._variables[name] = (NUMBER,)

    def _assign(self, name: str, word: Word) -> None:
        if word.values:
            self._variables[name] = word.values
        else:
            self._variables.pop(name, None)

    # -- words --------------------------------------------------------------------------------

    def _expand(self, nodes: Sequence[Node]) -> list[Word]:
        made: list[Word] = []
        for node in nodes:
            try:
                made += expand(node, self._variables)
            except Unclear as unclear:
                self._unknown(str(unclear))
                made.append(UNKNOWN)
        return made

    def _globs(self, words: Iterable[Word]) -> None:
        """A glob finds names, whatever the program does with them: ``echo ~/.ssh/*``."""
        globs = [v for word in words for v in word.values if any(c in v for c in GLOBS.values())]
        if globs:
            self._does("names", Word(tuple(globs)), "")

    async def _inner(self, node: Any) -> None:
        """Walk the commands that stand inside a word: ``$(…)``, ``<(…)``."""
        for inner in _substitutions(node):
            await self._apart(self._statements, inner.get("Stmts", ()))
        for part in _nodes(node):
            if part.get("Type") == "ExtGlob":
                self._unknown("it has a glob that is not known")
            try:
                check(part, self._variables)
            except Unclear as unclear:
                self._unknown(str(unclear))

    def _calculate(self, node: Node | None) -> None:
        name = _assigned(node)
        try:
            if name and node is not None:
                if node["Op"] != "=":
                    arithmetic(node.get("X"), self._variables)
                arithmetic(node.get("Y"), self._variables)
            else:
                arithmetic(node, self._variables)
        except Unclear as unclear:
            self._unknown(str(unclear))
        if name:
            if name in self._exported:
                self._unknown(f"it changes the variable {name}")
            self._assign(name, Word((NUMBER,)))

    def _test(self, node: Node | None) -> None:
        """``[[ … ]]``: some of its operators calculate."""
        if node is None or node.get("Type") == "Word":
            if node is not None:
                self._expand([node])
            return
        if node.get("Op") in _CALCULATING:
            try:
                arithmetic(node.get("X"), self._variables)
                arithmetic(node.get("Y"), self._variables)
            except Unclear as unclear:
                self._unknown(str(unclear))
            return
        self._test(node.get("X"))
        self._test(node.get("Y"))

    # -- simple commands ----------------------------------------------------------------------

    async def _call(self, node: Node) -> None:
        arguments = node.get("Args") or ()
        for assign in node.get("Assigns") or ():
            await self._inner(assign)
            self._assignment(assign, lasting=not arguments)
        for argument in arguments:
            await self._inner(argument)
        words = self._expand(arguments)
        if words:
            await self.simple(tuple(words))
            self._globs(words)

    def _assignment(self, assign: Node, *, lasting: bool) -> None:
        name = assign["Name"]["Value"]
        try:
            value = one(assign.get("Value"), self._variables)
        except Unclear as unclear:
            self._unknown(str(unclear))
            value = UNKNOWN
        if "Index" in assign or "Array" in assign or assign.get("Append"):
            value = UNKNOWN
        elements = (assign.get("Array") or {}).get("Elems") or ()
        self._globs(self._expand([each["Value"] for each in elements if each.get("Value")]))
        if "Index" in assign or any("Index" in element for element in elements):
            self._unknown("it calculates an index")
        if not lasting:
            if (
                name not in HARMLESS_VARIABLES
                or not value.texts
                or (any("/" in text for text in value.texts) and name != "TZ")
            ):
                self._unknown(f"it sets the variable {name} for a program")
            return
        if name != name.lower() or name in self._exported:
            self._unknown(f"it sets the variable {name}")
        self._assign(name, value)

    async def simple(self, words: tuple[Word, ...]) -> None:
        """Judge one command by its words; *words* are not empty."""
        self.commands.append(Ran(words, self._folders))
        name = words[0].text
        if name is None:
            self._unknown("what it runs is not known before it runs")
            return
        self.names.add(name)
        if name in ("cd", "read"):
            getattr(self, f"_{name}")(words[1:])
            return
        for outcome in programs.judge(name, words[1:]):
            await self._outcome(outcome)

    async def _outcome(self, outcome: Outcome) -> None:
        match outcome:
            case Does(kind, word, why):
                self._does(kind, word, why)
            case Command(words):
                if words:
                    await self._deeper(self.simple, words)
            case Script(text):
                await self._deeper(self._script_apart, text)

    async def _script_apart(self, text: str) -> None:
        try:
            tree = await self._parser.parse(text)
        except Unreadable as unreadable:
            self._unknown(f"a text that it runs is not understood: {unreadable}")
            return
        before = self._state()
        self._variables = {k: v for k, v in self._variables.items() if k == "HOME"}
        await self._statements(tree.get("Stmts", ()))
        self._restore(before)

    async def _deeper(self, walk: Any, what: Any) -> None:
        if self._depth >= DEPTH:
            self._unknown("it runs a command in a command in a command")
            return
        self._depth += 1
        await walk(what)
        self._depth -= 1

    def _cd(self, arguments: tuple[Word, ...]) -> None:
        words = [word for word in arguments if word.text != "--"]
        values = words[0].values if len(words) == 1 else ()
        made = []
        for value in values:
            steps = value.split("/")
            climbs = (
                ".." in steps[next((i for i, s in enumerate(steps) if s != ".."), len(steps)) :]
            )
            if value.startswith("-") or climbs or not value or Word((value,)).text is None:
                self._folders = ()  # "a/.." is another folder than "." where a is a link
                return
            made += [posixpath.normpath(posixpath.join(f, value)) for f in self._folders]
        self._folders = tuple(dict.fromkeys(made))
        for folder in self._folders:
            self.effects.append(Effect("look", folder, "goes to"))
        if not values or not self._folders:
            self._folders = ()

    def _read(self, arguments: tuple[Word, ...]) -> None:
        """``read`` puts what comes into variables; an index in a name would calculate."""
        names = [word.text or "" for word in arguments]
        names = [name for name in names if name not in ("-r", "-s", "-a")]
        if not all(name.isidentifier() and name == name.lower() for name in names):
            self._unknown("it reads into what is not known")
        for name in names:
            if name in self._exported:
                self._unknown(f"it sets the variable {name}")
            self._variables.pop(name, None)

    # -- effects ------------------------------------------------------------------------------

    def _unknown(self, why: str) -> None:
        self.effects.append(Effect("unknown", "", why))

    def _does(self, kind: Kind, word: Word | None, why: str) -> None:
        if kind in ("unknown", "run", "network"):
            self.effects.append(Effect(kind, "", why))
            return
        if word is None:
            word = Word((".",))
        if not word.values:
            self._unknown(why or "which file is not known before it runs")
        for value in word.values:
            if (
                NUMBER in value
                or SOMEBODY in value
                or (not value.startswith("/") and not self._folders)
            ):
                self._unknown("which file is not known before it runs")
            elif value.startswith("/"):
                self.effects.append(Effect(kind, value, why))
            else:
                self.effects += [
                    Effect(kind, f"{folder.rstrip('/')}/{value}", why) for folder in self._folders
                ]

    async def _redirection(self, node: Node) -> None:
        await self._inner(node.get("Word"))
        await self._inner(node.get("Hdoc"))
        operator = node["Op"]
        if node.get("N", {}).get("Value", "0").startswith("{"):
            self._unknown("it keeps a file open")
        for part in ("Hdoc",):
            if node.get(part):
                self._expand([node[part]])
        words = self._expand([node["Word"]])
        if operator in ("<<", "<<-", "<<<"):
            return
        word = words[0] if len(words) == 1 else UNKNOWN
        text = word.text or ""
        if operator in ("<&", ">&") and (text == "-" or text.rstrip("-").isdigit()):
            return
        if operator == "<":
            self._does("read", word, "")
            return
        if text not in ("/dev/null", "/dev/stderr", "/dev/stdout"):
            self.writes_to += word.values
            self._does("write", word, "")


_KEEPS_VARIABLES = frozenset(
    {"echo", "cat", "grep", "head", "tail", "ls", "wc", "cd", "test", "[", "sed", "awk", "true",
     "false", ":", "sort", "cut", "tr", "basename", "dirname", "find", "git", "file", "stat",
     "break", "continue", "exit", "sleep", "du", "diff", "rg", "mkdir", "touch", "cp", "mv"}
)  # fmt: skip
"""Programs that set no variable, so that a loop in which they run keeps what is known."""
_CALCULATING = frozenset({"-v", "-R", "-eq", "-ne", "-lt", "-le", "-gt", "-ge"})


def _nodes(node: Any) -> Iterator[Node]:
    """Give every node beneath *node*, itself too."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            if isinstance(value, (dict, list)):
                yield from _nodes(value)
    elif isinstance(node, (list, tuple)):
        for each in node:
            yield from _nodes(each)


def _substitutions(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        if node.get("Type") in ("CmdSubst", "ProcSubst"):
            yield node
            return
        for value in node.values():
            if isinstance(value, (dict, list)):
                yield from _substitutions(value)
    elif isinstance(node, (list, tuple)):
        for each in node:
            yield from _substitutions(each)


def _assigned(node: Node | None) -> str:
    """Name the variable that an arithmetic expression sets."""
    if node is None or node.get("Type") not in ("BinaryArithm", "UnaryArithm"):
        return ""
    op = node["Op"]
    if op not in ("=", "+=", "-=", "*=", "/=", "%=", "++", "--"):
        return ""
    name = _plain(node.get("X") or {})
    return name if name.isidentifier() else ""


def _plain(word: Node) -> str:
    """Give the text of a word that is nothing but text."""
    parts = word.get("Parts") or []
    return str(parts[0].get("Value", "")) if len(parts) == 1 else ""


def _bombs(function: Node) -> bool:
    """Whether a function's body runs the function in a pipe or in the background."""
    name = function["Name"]["Value"]
    for node in _nodes(function["Body"]):
        sides = [node["X"], node["Y"]] if node.get("Type") == "BinaryCmd" else []
        if node.get("Background") or (sides and node.get("Op") == "|"):
            called = [
                _plain(call["Args"][0])
                for call in _nodes(node)
                if call.get("Type") == "CallExpr" and call.get("Args")
            ]
            if name in called:
                return True
    return False
