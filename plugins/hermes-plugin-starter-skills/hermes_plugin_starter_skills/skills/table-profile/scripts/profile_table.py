#!/usr/bin/env python3
"""Profile a table: CSV, TSV or JSON lines, with nothing but the standard library.

    profile_table.py FILE [--delimiter X]

Reads a row at a time; what it remembers of a column is bounded.
"""

import argparse
import csv
import json
import re
import sys
from collections import Counter

DISTINCT = 100_000
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\Z")
COMMA = re.compile(r"[-+]?\d{1,3}(\.\d{3})*(,\d+)\Z")
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?.*)?\Z|\d{1,2}[./]\d{1,2}[./]\d{2,4}\Z")
MISSING = {"", "na", "n/a", "null", "none", "nan", "-", "?"}


class Column:
    def __init__(self):
        self.kinds, self.values, self.examples = Counter(), Counter(), []
        self.low = self.high = None
        self.missing = self.padded = 0
        self.full = False

    def add(self, raw):
        text = raw.strip()
        self.padded += text != raw
        if text.lower() in MISSING:
            self.missing += 1
            return
        number = None
        if NUMBER.match(text):
            number = float(text)
            self.kinds["number"] += 1
        elif COMMA.match(text):
            self.kinds["number with comma"] += 1
        elif DATE.match(text):
            self.kinds["date"] += 1
        else:
            self.kinds["text"] += 1
        if number is not None:
            self.low = number if self.low is None else min(self.low, number)
            self.high = number if self.high is None else max(self.high, number)
        if text in self.values or len(self.values) < DISTINCT:
            self.values[text] += 1
        else:
            self.full = True
        if len(self.examples) < 3 and text not in self.examples:
            self.examples.append(text[:40])


def rows(file, name, delimiter):
    """Give each row as pairs of column and text."""
    if name.endswith((".jsonl", ".ndjson")):
        for line in file:
            if line.strip():
                found = json.loads(line)
                yield [(k, "" if v is None else str(v)) for k, v in found.items()], len(found)
        return
    sample = file.read(65536)
    file.seek(0)
    if not delimiter:
        try:
            delimiter = csv.Sniffer().sniff(sample, ",;\t|").delimiter
        except csv.Error:
            delimiter = "\t" if name.endswith(".tsv") else ","
    reader = csv.reader(file, delimiter=delimiter)
    head = next(reader, [])
    head = [name.strip() or f"column {n}" for n, name in enumerate(head, 1)]
    for row in reader:
        if row:
            yield list(zip(head, row)), len(row) - len(head)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--delimiter", default="")
    given = parser.parse_args()
    columns, count, uneven, seen, twice = {}, 0, 0, set(), 0
    is_csv = not given.file.endswith((".jsonl", ".ndjson"))
    with open(given.file, encoding="utf-8-sig", errors="replace", newline="") as file:
        for row, extra in rows(file, given.file, given.delimiter):
            count += 1
            uneven += is_csv and extra != 0
            key = hash(tuple(value for _, value in row))
            twice += key in seen
            if len(seen) < 1_000_000:
                seen.add(key)
            for name, value in row:
                columns.setdefault(name, Column()).add(value)
    print(f"{count:,} rows, {len(columns)} columns")
    odd = []
    if uneven:
        odd.append(f"{uneven:,} rows have more or fewer cells than the head")
    if twice:
        odd.append(f"{twice:,} rows are there twice or more")
    for name, column in columns.items():
        there = count - column.missing
        kinds = ", ".join(
            f"{kind} {n:,}" if len(column.kinds) > 1 else kind
            for kind, n in column.kinds.most_common()
        )
        more = "+" if column.full else ""
        unique = " (unique)" if there and len(column.values) == there and not column.full else ""
        span = "" if column.low is None else f", {column.low:g} to {column.high:g}"
        print(
            f"- {name}: {kinds or 'empty'}; missing {count - there:,}; distinct {len(column.values):,}{more}{unique}{span}; e.g. {' | '.join(column.examples)}"
        )
        if 1 < len(column.kinds) and min(column.kinds.values()) < there * 0.05:
            rare = min(column.kinds, key=column.kinds.get)
            odd.append(f"{name}: {column.kinds[rare]:,} cells are {rare}, the others are not")
        if column.padded:
            odd.append(f"{name}: {column.padded:,} cells have spaces around them")
        lower = Counter(value.lower() for value in column.values)
        if any(n > 1 for n in lower.values()):
            odd.append(f"{name}: values that differ in capitals only")
    for line in odd:
        print(f"! {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
