#!/usr/bin/env python3
"""Print an outline of a source tree: languages, largest files, entry points, tests, configuration.

outline.py [FOLDER]
"""

import os
import re
import subprocess
import sys
from collections import Counter

LANGUAGES = {
    ".py": "Python",
    ".js": "JavaScript",
    ".ts": "TypeScript",
    ".tsx": "TypeScript",
    ".jsx": "JavaScript",
    ".go": "Go",
    ".rs": "Rust",
    ".java": "Java",
    ".kt": "Kotlin",
    ".rb": "Ruby",
    ".php": "PHP",
    ".c": "C",
    ".h": "C",
    ".cc": "C++",
    ".cpp": "C++",
    ".hpp": "C++",
    ".cs": "C#",
    ".swift": "Swift",
    ".sh": "Shell",
    ".sql": "SQL",
    ".html": "HTML",
    ".css": "CSS",
    ".md": "Markdown",
    ".vue": "Vue",
    ".scala": "Scala",
    ".ex": "Elixir",
    ".exs": "Elixir",
    ".lua": "Lua",
    ".dart": "Dart",
}
CONFIGURED = {
    "pyproject.toml",
    "setup.py",
    "package.json",
    "Cargo.toml",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "Makefile",
    "Dockerfile",
    "docker-compose.yml",
    "compose.yaml",
    "tox.ini",
    "CMakeLists.txt",
    "Gemfile",
}
SKIPPED = {
    ".git",
    "node_modules",
    "vendor",
    "dist",
    "build",
    "target",
    ".venv",
    "venv",
    "__pycache__",
}
ENTRY = re.compile(
    r"if __name__ == ['\"]__main__['\"]|^func main\(\)|^fn main\(|public static void main|app\.listen\(",
    re.MULTILINE,
)


def names(folder):
    """List the files that belong to the project: what git knows, else what is there."""
    done = subprocess.run(
        ["git", "-C", folder, "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True
    )
    if done.returncode == 0:
        return [name.decode("utf-8", "replace") for name in done.stdout.split(b"\0") if name]
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        found += [os.path.relpath(os.path.join(place, name), folder) for name in sorted(files)]
    return found


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    lines, sizes, entries, tests, configured = Counter(), {}, [], Counter(), []
    for name in names(folder):
        extension = os.path.splitext(name)[1].lower()
        if os.path.basename(name) in CONFIGURED or name.startswith(".github/workflows/"):
            configured.append(name)
        language = LANGUAGES.get(extension)
        if language is None:
            continue
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                text = file.read(2_000_000)
        except OSError:
            continue
        count = text.count("\n") + 1
        lines[language] += count
        sizes[name] = count
        is_test = re.search(
            r"(^|/)(tests?|spec|__tests__)/|(^|/)test_|_test\.|\.spec\.|\.test\.", name
        )
        if is_test:
            tests[os.path.dirname(name) or "."] += 1
        elif language not in ("Markdown", "HTML", "CSS", "SQL") and ENTRY.search(text):
            entries.append(name)
    print(f"{len(sizes)} source files, {sum(sizes.values()):,} lines")
    print("languages: " + ", ".join(f"{name} {count:,}" for name, count in lines.most_common(8)))
    print("configured: " + (", ".join(configured[:20]) or "nothing known"))
    print("starts: " + (", ".join(entries[:15]) or "no entry point found"))
    print("tests: " + (", ".join(f"{n} ({c})" for n, c in tests.most_common(8)) or "none found"))
    print("largest:")
    for name, count in sorted(sizes.items(), key=lambda item: -item[1])[:12]:
        print(f"  {count:6,}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
