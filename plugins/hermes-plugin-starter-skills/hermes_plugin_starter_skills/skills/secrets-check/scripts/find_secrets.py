#!/usr/bin/env python3
"""Look for secrets in a folder, or (--history) in everything a git repository ever held.

    find_secrets.py [--history] [FOLDER]

Prints a line for each: where, what kind, and its first four characters. Ends with 1 where something
was found.
"""

import argparse
import math
import os
import re
import subprocess
import sys
from collections import Counter

KINDS = {
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "AWS key id": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{60,}\b",
    "Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{20,}\b",
    "Google key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "model vendor key": r"\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{24,}\b",
    "Telegram bot token": r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "password in an address": r"\b[a-z][a-z0-9+]*://[^\s/:@'\"]+:[^\s/:@'\"$<{]{4,}@",
}
NAMED = re.compile(
    r"(?i)(?:password|passwd|secret|token|api[_-]?key)[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/=_.\-]{16,})"
)
EXAMPLE = re.compile(r"(?i)example|changeme|dummy|placeholder|your[_-]|xxxx|test|<|\$\{|^(.)\1+$")
PATTERNS = [(kind, re.compile(pattern)) for kind, pattern in KINDS.items()]
SKIPPED = {".git", "node_modules", ".venv", "venv", "__pycache__"}


def random_looking(text):
    counts = Counter(text)
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    return bits > 3.5 and any(c.isdigit() for c in text)


def found(line):
    """Give kind and value of each secret in a line."""
    hits = [(kind, match[0]) for kind, pattern in PATTERNS for match in pattern.finditer(line)]
    if not hits:
        for match in NAMED.finditer(line):
            if random_looking(match[1]) and not EXAMPLE.search(match[1]):
                hits.append(("named secret", match[1]))
    return hits


def files(folder):
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.islink(path) or os.path.getsize(path) > 5_000_000:
                continue
            with open(path, "rb") as file:
                data = file.read()
            if b"\0" in data[:4096]:
                continue
            for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
                yield f"{os.path.relpath(path, folder)}:{number}", line


def history(folder):
    command = ["git", "-C", folder, "log", "--all", "-p", "--no-color", "--format=commit %h", "-U0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        commit = file = ""
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if line.startswith("commit "):
                commit = line[7:]
            elif line.startswith("+++ "):
                file = line[6:]
            elif line.startswith("+"):
                yield f"{commit} {file}", line[1:]
    if process.returncode:
        sys.exit(f"{folder} is no git repository")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--history", action="store_true")
    parser.add_argument("folder", nargs="?", default=".")
    given = parser.parse_args()
    seen, count = set(), 0
    for where, line in (history if given.history else files)(given.folder):
        for kind, value in found(line[:5000]):
            if (kind, value) in seen and given.history:
                continue
            seen.add((kind, value))
            count += 1
            print(f"{where}: {kind} ({value[:4]}…, {len(value)} characters)")
    print(f"{count} found" if count else "nothing found")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
