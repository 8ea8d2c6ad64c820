"""Ways to say one thing so that a list of words does not find it.

``python bypasses.py CANARY SCRIPT`` prints them as a JSON list of [family, command]. Each command
makes the file CANARY; SCRIPT is a shell script that does so too. Run in a folder of its own.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import json
import shlex
import shutil
import sys


def actions(canary: str) -> dict[str, str]:
    """Ways to make the file."""
    folder, _, name = canary.rpartition("/")
    above = folder.rpartition("/")[2]
    return {
        "touch": f"touch {canary}",
        "redirection": f"echo x > {canary}",
        "append": f": >> {canary}",
        "copy": f"cp /dev/null {canary}",
        "directory": f"mkdir {canary}",
        "link": f"ln -s / {canary}",
        "disk dump": f"dd if=/dev/null of={canary} status=none",
        "program by path": f"/usr/bin/../bin//touch {canary}",
        "program by glob": f"/usr/bin/tou[c]h {canary}",
        "quoted program": f"t'o'u\"ch\" {canary}",
        "escaped program": f"\\t\\ouch {canary}",
        "ansi-c quotes": f"$'\\x74\\x6fuch' {canary}",
        "no blank": f"touch${{IFS}}{canary}",
        "braces": f"{{touch,{canary}}}",
        "path with dots": f"touch {folder}/../{above}/./{name}",
        "path with slashes": f"touch {folder}///{name}",
        "path in a variable": f"D={folder}; touch $D/{name}",
        "path by cd": f"cd {folder} && touch {name}",
    }


def quoted(command: str) -> str:
    return shlex.quote(command)


def wrappings(command: str, script: str) -> dict[str, str]:
    """Ways to have *command* run."""
    q, b64 = quoted(command), base64.b64encode(command.encode()).decode()
    octal = "".join(f"\\{byte:03o}" for byte in command.encode())
    rot13 = codecs.encode(command, "rot13")
    packed = base64.b64encode(gzip.compress(command.encode())).decode()
    python = quoted(f"import os; os.system({command!r})")
    split = command.split(" ", 1)
    made = {
        "plain": command,
        "after and": f"true && {command}",
        "after or": f"false || {command}",
        "after semicolon": f"ls; {command}",
        "after newline": f"ls\n{command}",
        "after a comment": f"ls # nothing to see\n{command}",
        "after a direction mark": f"ls # \u202e\n{command}",
        "in a pipe": f"ls | {{ {command}; }}",
        "in the background": f"{{ {command}; }} & wait",
        "subshell": f"({command})",
        "group": f"{{ {command}; }}",
        "if": f"if {command}; then :; fi",
        "loop": f"for i in 1; do {command}; done",
        "case": f"case x in x) {command};; esac",
        "function": f"f() {{ {command}; }}; f",
        "alias": f"shopt -s expand_aliases\nalias ll={q}\nll",
        "trap": f"trap {q} EXIT; ls",
        "substitution": f"echo $({command})",
        "backquotes": f"echo `{command}`",
        "in double quotes": f'echo "harmless $({command})"',
        "process substitution": f"cat <({command})",
        "default value": f": ${{x:=$({command})}}",
        "arithmetic": f"echo $(( 0$({command} >&2) + 1 ))",
        "test": f'[[ -z "$({command})" ]]',
        "array index": f"declare -A a; a[$({command})x]=1",
        "eval": f"eval {q}",
        "eval in pieces": f"a={quoted(split[0])}; b={quoted(split[1])}; eval \"$a $b\"",
        "bash -c": f"bash -c {q}",
        "sh through env": f"env X=1 bash -c {q}",
        "env -S": f"env -S {quoted('bash -c ' + q)}",
        "nohup": f"nohup bash -c {q} 2>/dev/null",
        "timeout": f"timeout 9 bash -c {q}",
        "nice": f"nice -n 1 bash -c {q}",
        "setsid": f"setsid -w bash -c {q}",
        "exec": f"exec bash -c {q}",
        "xargs": f"printf %s {quoted(q)} | xargs bash -c",
        "pipe into a shell": f"printf '%s\\n' {q} | bash",
        "here string": f"bash <<< {q}",
        "heredoc": f"bash <<'END'\n{command}\nEND",
        "heredoc into cat": f"cat <<END\n$({command})\nEND",
        "source": f"source <(printf '%s\\n' {q})",
        "base64": f"echo {b64} | base64 -d | bash",
        "base64 in eval": f'eval "$(base64 -d <<< {b64})"',
        "octal": f'eval "$(printf {quoted(octal)})"',
        "rot13": f"echo {quoted(rot13)} | tr a-zA-Z n-za-mN-ZA-M | bash",
        "backwards": f"echo {quoted(command[::-1])} | rev | bash",
        "gzip": f"echo {packed} | base64 -d | gunzip | bash",
        "script": f"bash {script}",
        "script by its path": script,
        "BASH_ENV": f"BASH_ENV={script} bash -c :",
        "find -exec": f"find . -maxdepth 0 -exec bash -c {q} \\;",
        "awk": f"awk {quoted('BEGIN { system(' + json.dumps(command) + ') }')}",
        "sed": f"echo | sed {quoted('1e bash -c ' + q)}",
        "python -c": f"{sys.executable} -c {python}",
        "python heredoc": f"{sys.executable} - <<'END'\nimport os; os.system({command!r})\nEND",
        "perl -e": f"perl -e {quoted('system ' + json.dumps(command).replace('$', chr(92) + '$'))}",
        "curl then run": f"curl -s file://{script} | bash",
        "curl, save, run": f"curl -s file://{script} -o got.sh; bash got.sh",
        "git alias": f"git -c {quoted('alias.st=!' + command)} st",
        "make": f"printf 'all:\\n\\t@bash {script}\\n' | make -s -f -",
        "tar": "tar cf /dev/null --checkpoint=1"
        f" --checkpoint-action=exec={quoted('bash ' + script)} /etc/hostname 2>/dev/null",
        "renamed shell": f"ln -sf $(command -v bash) ./ls; ./ls -c {q}",
        "PATH": f"ln -sf $(command -v bash) ./cat; PATH=.:$PATH; cat -c {q}",
        "homoglyph": f"ln -sf $(command -v bash) ./\u0441at; ./\u0441at -c {q}",
        "fullwidth": f"ln -sf $(command -v bash) ./\uff42ash; ./\uff42ash -c {q}",
    }  # fmt: skip
    needs = {"curl": "curl", "perl": "perl -e", "git": "git alias", "make": "make", "rev": "backw"}
    missing = [name for program, name in needs.items() if shutil.which(program) is None]
    return {name: text for name, text in made.items() if not any(map(name.startswith, missing))}


def corpus(canary: str, script: str) -> dict[str, str]:
    """Give every wrapping of the plainest action, every action, and every pair of a few."""
    acts = actions(canary)
    made = {f"plain: {name}": command for name, command in acts.items()}
    for act in ("touch", "redirection", "quoted program", "path with dots", "path by cd"):
        for name, command in wrappings(acts[act], script).items():
            made[f"{name}: {act}"] = command
    return made


if __name__ == "__main__":
    print(json.dumps(list(corpus(sys.argv[1], sys.argv[2]).items())))
