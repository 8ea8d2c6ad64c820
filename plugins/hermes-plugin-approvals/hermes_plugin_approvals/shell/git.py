"""What git commands do. Git runs what a repository's configuration names, so each one says where
it runs (``repository``), and the policy looks whether the configuration names anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermes_plugin_approvals.shell.effects import Does, Outcome, runs, unknown
from hermes_plugin_approvals.shell.options import Misfit, Options, parse
from hermes_plugin_approvals.shell.words import Word

_SHOWN = Options(
    flags="pqsuwbMCDRzrtnivlacGe0",
    valued="SLUnGX",
    long="oneline stat shortstat numstat name-only name-status patch no-patch cached staged graph"
    " all decorate no-decorate color= color no-color no-ext-diff no-textconv abbrev-commit abbrev="
    " max-count= since= until= after= before= author= committer= grep= format= pretty= pretty"
    " first-parent merges no-merges reverse follow word-diff ignore-space-change summary raw"
    " ignore-all-space minimal unified= diff-filter= exit-code quiet relative branches tags"
    " remotes date= show-signature= topo-order date-order left-right cherry-pick no-walk"
    " no-renames find-renames full-index dirstat compact-summary pickaxe-regex decorate= skip=",
    numbers=True,
)
_STATUS = Options(
    flags="sbvuznoalrm",
    long="short branch porcelain porcelain= long verbose untracked-files untracked-files= ignored"
    " show-stash ahead-behind no-renames column",
)
_LIST = Options(
    flags="arvlnqdstocmizu",
    valued="n",
    long="all list show-current remotes verbose merged no-merged contains= sort= format= column"
    " abbrev-ref show-toplevel short is-inside-work-tree git-dir verify symbolic-full-name cached"
    " modified deleted others exclude-standard stage full-name error-unmatch always tags dirty"
    " long abbrev= count heads points-at= show-prefix local absolute-git-dir is-bare-repository"
    " show-cdup name-only numbered summary email first-parent short= verify= max-count= ignored",
    numbers=True,
)
READING = {
    "status": _STATUS, "log": _SHOWN, "diff": _SHOWN, "show": _SHOWN, "shortlog": _LIST,
    "whatchanged": _SHOWN, "diff-tree": _SHOWN, "rev-list": _SHOWN, "reflog": _SHOWN,
    "rev-parse": _LIST, "ls-files": _LIST, "describe": _LIST, "blame": Options(
        flags="wletfnscM", valued="L", long="porcelain line-porcelain show-name date="),
    "ls-tree": _LIST, "name-rev": _LIST, "merge-base": Options(flags="a", long="all is-ancestor"),
    "for-each-ref": _LIST, "show-ref": _LIST, "count-objects": Options(flags="vH"),
    "cat-file": Options(flags="tspe"), "version": Options(), "cherry": Options(flags="v"),
}  # fmt: skip
_LISTING = Options(
    flags="arvl",
    valued="n",
    long="all list show-current remotes verbose merged no-merged contains sort= format= column"
    " points-at=",
)
"""`branch` and `tag`: with an operand and no ``--list`` they make one."""
_STAGING = Options(flags="AuvnNp", long="all update verbose dry-run intent-to-add")
_COMMIT = Options(flags="aqvs", valued="m", long="message= all quiet allow-empty signoff no-edit")
_GREP = Options(
    flags="nilLcwEFPGhHvoaIqz",
    valued="eABCm",
    long="line-number name-only count ignore-case word-regexp files-with-matches extended-regexp"
    " fixed-strings perl-regexp cached untracked heading break and or not show-function",
    numbers=True,
)
NETWORK = frozenset({"fetch", "pull", "push", "clone", "ls-remote", "submodule", "remote-http"})


def git(arguments: Sequence[Word]) -> Iterator[Outcome]:
    """Say what ``git …`` does."""
    where, rest, odd = _globals(arguments)
    if odd:
        yield unknown("git has an option before its command that is not known")
    command = rest[0].text if rest else ""
    arguments = rest[1:]
    if command in ("--version", "version"):
        return
    if not command:
        yield unknown("which git command it is, is not known")
        return
    if command in NETWORK:
        yield Does("network", None, f"git {command} reaches another machine")
        yield Does("write", where)
        return
    try:
        yield from _command(command, arguments, where)
    except Misfit as misfit:
        yield unknown(f"git {command}: {misfit}")


def _globals(arguments: Sequence[Word]) -> tuple[Word, tuple[Word, ...], bool]:
    where, place, odd = Word((".",)), 0, False
    while place < len(arguments):
        text = arguments[place].text
        if text in ("--no-pager", "-P", "--no-optional-locks"):
            place += 1
        elif text == "-C" and place + 1 < len(arguments) and where.text == ".":
            where = arguments[place + 1]
            place += 2
        elif text is None or text == "--version" or not text.startswith("-"):
            break
        else:
            odd = True
            place += 1
    return where, tuple(arguments[place:]), odd


def _command(command: str, arguments: Sequence[Word], where: Word) -> Iterator[Outcome]:
    if command in READING:
        parsed = parse(arguments, READING[command])
        yield Does("repository", where)
        if command == "reflog" and parsed.operands and parsed.operands[0].text != "show":
            yield unknown("git reflog may change something")
        if command in ("log", "diff", "show", "blame", "cat-file", "whatchanged"):
            yield from _paths(parsed.operands, where)
        return
    if command == "grep":
        parse(arguments, _GREP)
        yield Does("repository", where)
        yield Does("tree", where)
        return
    if command in ("branch", "tag"):
        parsed = parse(arguments, _LISTING)
        yield Does("repository", where)
        if parsed.operands and not {"list", "l"} & parsed.flags:
            yield Does("write", where, "")
        return
    if command in ("add", "stage"):
        parsed = parse(arguments, _STAGING)
        if "p" in parsed.flags:
            raise Misfit("its option -p is not known")
        yield Does("repository", where)
        yield Does("write", where)
        return
    if command == "commit":
        parse(arguments, _COMMIT)
        yield Does("commit", where)
        yield Does("write", where)
        return
    if command == "init" and not arguments:
        yield Does("write", where)
        return
    if _looks(command, [word.text for word in arguments]):
        yield Does("repository", where)
        return
    yield runs(f"git {command} changes files or runs hooks")


def _looks(command: str, texts: Sequence[str | None]) -> bool:
    """Commands that only look when they are given just so."""
    if command == "remote":
        return texts in ([], ["-v"], ["show"]) or (len(texts) == 2 and texts[0] == "get-url")
    if command == "stash":
        return texts == ["list"]
    if command == "worktree":
        return texts == ["list"]
    if command == "config":
        return len(texts) == 2 and texts[0] in ("--get", "get") and _no_secret(texts[1])
    if command == "symbolic-ref":
        return len([text for text in texts if text not in ("--short", "-q")]) == 1
    return False


def _no_secret(name: str | None) -> bool:
    return name is not None and not any(w in name.lower() for w in ("token", "pass", "header"))


def _paths(operands: Sequence[Word], where: Word) -> Iterator[Outcome]:
    """Every operand could be a path, and of one outside of the repository git reads the file.

    A revision is a path that does not exist, and does no harm as one.
    """
    for word in operands:
        for value in word.values or ("",):
            if not value:
                yield Does("read", Word())
            elif where.text in (None, ".") or value.startswith("/"):
                yield Does("read", Word((value,)))
            else:
                yield Does("read", Word((f"{where.text}/{value}",)))
