#!/usr/bin/env python3
"""Fold a log: lines that differ only in numbers, ids, times and quoted words become one.

    fold.py FILE|- [--top N]

Prints a line a group: count, first and last line number, the first such line. Errors come first,
then what is rare. Reads a line at a time.
"""

import argparse
import re
import sys

GROUPS = 20_000
VARYING = re.compile(
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"
    r"|\b[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    r"|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b"
    r"|\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*\b"
    r"|\"[^\"]{1,200}\"|'[^']{1,200}'"
)
BAD = re.compile(r"\b(fatal|panic|critical|emerg|traceback|segfault|oom|killed)\b", re.IGNORECASE)
ERROR = re.compile(r"error|exception|fail(ed|ure)|refused|denied|timed? ?out", re.IGNORECASE)
WARNING = re.compile(r"warn|deprecat|retry", re.IGNORECASE)


def weight(line):
    for number, pattern in enumerate((BAD, ERROR, WARNING)):
        if pattern.search(line):
            return number
    return 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--top", type=int, default=40)
    given = parser.parse_args()
    groups, number, left = {}, 0, 0
    stream = sys.stdin.buffer if given.file == "-" else open(given.file, "rb")
    with stream:
        for number, raw in enumerate(stream, 1):
            line = raw.decode("utf-8", "replace").rstrip()
            if not line:
                continue
            key = VARYING.sub("#", line)
            if key in groups:
                group = groups[key]
                group[0] += 1
                group[2] = number
            elif len(groups) < GROUPS:
                groups[key] = [1, number, number, line]
            else:
                left += 1
    ordered = sorted(groups.values(), key=lambda g: (weight(g[3]), g[0], g[1]))
    print(f"{number:,} lines, {len(groups):,} kinds")
    for count, first, last, line in ordered[: given.top]:
        where = f"{first}" if first == last else f"{first}-{last}"
        print(f"{count:7,}x  {where:>15}  {line[:300]}")
    if len(ordered) > given.top:
        print(f"… {len(ordered) - given.top:,} more kinds (--top)")
    if left:
        print(f"… {left:,} lines of further kinds were not counted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
