"""Look through a skill for what a person should see before they let it in.

It is advice. No list of patterns finds every trick (strings can be joined, benign pieces combined),
and lists that try drown people in alarms about prose; so each rule looks only where it means
something: commands in scripts and code blocks, phrases in the instructions. What a skill's code can
do is decided at the gate, by policy, like anything else that a model runs. What has findings is
never let in without a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hermes_plugin_skills import disk
from hermes_plugin_skills.skill import FILE

FILES = 50
TOTAL = 1_000_000
"""Bytes of a whole skill."""
LARGEST = 256_000
"""Bytes of one file."""
HIDDEN = frozenset(
    "\u200b\u2060\u2062\u2063\u2064\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
TAGS = range(0xE0000, 0xE0080)
"""Copies of ASCII that are never shown."""
FENCE = re.compile(r"^(```|~~~)[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)

_SECRETS = r"(\.ssh/|id_(rsa|ed25519)\b|\.aws/credentials|\.netrc|\.env\b|\.gnupg|\.kube/config)"
COMMANDS = {
    "sends secrets away": rf"(curl|wget|nc|scp|requests\.post)\b[^\n]*{_SECRETS}"
    rf"|{_SECRETS}[^\n]*\|\s*(curl|wget|nc)\b"
    r"|(curl|wget)\b[^\n]*\$\{?\w*(TOKEN|SECRET|PASSWORD|API_KEY)\w*[^\n]*https?://(?!api\.)",
    "runs what it downloads": r"(curl|wget)\b[^\n|]*\|\s*(sudo\s+)?(ba|z|da)?sh\b"
    r"|(ba|z)?sh\s+<\(\s*(curl|wget)|eval\s+[\"']?\$\((curl|wget)"
    r"|exec\(\s*(urllib|requests)",
    "runs hidden code": r"base64\s+(-d|--decode|-D)[^\n]*\|\s*(sudo\s+)?(ba|z|da)?sh\b"
    r"|exec\(\s*(base64|codecs|zlib|bytes\.fromhex)|eval\(\s*(atob|base64)",
    "deletes more than its own": r"rm\s+-\w*[rR]\w*\s+(-\w+\s+)*[\"']?(/|~|\$HOME)[\"']?/?\*?(\s|$)"
    r"|mkfs\.|dd\s+[^\n]*of=/dev/(sd|nvme|disk)",
    "stays on the machine": r"crontab\s+-(?!l)|/etc/cron|systemctl\s+(--user\s+)?enable"
    r"|launchctl\s+load|>>?\s*~?[/\w]*\.(bashrc|zshrc|profile|bash_profile)\b|authorized_keys",
    "takes more rights": r"chmod\s+[0-7]*[4-7][0-7]{3}\s|chmod\s+\+s\b|NOPASSWD|setcap\s",
    "opens a way in": r"/dev/tcp/|\bnc\s+(-\w+\s+)*-\w*[el]\w*\s|mkfifo[^\n]*\bnc\b|ngrok\s+tcp",
    "mines": r"\b(xmrig|stratum\+tcp|minerd)\b",
    "changes Hermes": r">>?\s*[^\n]*\.hermes/(config|\.env|auth|skills|plugins)"
    r"|hermes\s+(config\s+set|plugins\s+(enable|disable)|skills\s+trust)|--yolo\b",
}
PHRASES = {
    "tells to disregard instructions": r"\b(ignore|disregard|override)\s+(\w+\s+){0,3}"
    r"(previous|prior|earlier|system|all)\s+(\w+\s+){0,2}(instructions?|rules?|prompts?)\b",
    "tells to hide something from the person": r"\b(do not|don'?t|never|without)\s+(\w+\s+)?"
    r"(tell(ing)?|inform(ing)?|show(ing)?|mention(ing)?)\s+(\w+\s+){0,2}"
    r"(the\s+)?(user|person|human)\b",
    "tells to skip approval": r"\b(skip|bypass|disable|avoid)\s+(\w+\s+){0,2}"
    r"(approvals?|permission (checks?|prompts?)|safety checks?)\b",
    "asks for secrets": r"(?<!never )(?<!not )(?<!n't )"
    r"\b(print|send|upload|paste|include)\s+(\w+\s+){0,3}"
    r"(api keys?|passwords?|private keys?|credentials|tokens?)\s+(to|into|in)\b",
}
_COMMANDS = {why: re.compile(pattern, re.MULTILINE) for why, pattern in COMMANDS.items()}
_PHRASES = {why: re.compile(pattern, re.IGNORECASE) for why, pattern in PHRASES.items()}


class Found(msgspec.Struct, frozen=True):
    """One thing to look at."""

    file: str
    line: int
    """0 where it is about the whole file."""
    why: str
    text: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where} {self.why}" + (f": {self.text}" if self.text else "")


def scan(folder: Path) -> list[Found]:
    """List what a person should look at in a skill, in the order of its files."""
    return [
        *_shape(folder),
        *(found for name in disk.files(folder) for found in _file(folder, name)),
    ]


def _shape(folder: Path) -> Iterator[Found]:
    names = disk.files(folder)
    sizes = [(folder / name).stat().st_size for name in names]
    if len(names) > FILES:
        yield Found(".", 0, f"has {len(names)} files, more than {FILES}")
    if sum(sizes) > TOTAL:
        yield Found(".", 0, f"has {sum(sizes):,} bytes, more than {TOTAL:,}")
    for name, size in zip(names, sizes, strict=True):
        if size > LARGEST:
            yield Found(name, 0, f"has {size:,} bytes, more than {LARGEST:,}")
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            yield Found(path.relative_to(folder).as_posix(), 0, "is a link; it is left out")


def _file(folder: Path, name: str) -> Iterator[Found]:
    data = (folder / name).read_bytes()[: LARGEST * 2]
    if b"\0" in data and not name.startswith("assets/"):
        yield Found(name, 0, "is a program or other binary data")
        return
    text = data.decode("utf-8", "replace")
    unseen = sum(c in HIDDEN or ord(c) in TAGS for c in text)
    if unseen:
        yield Found(name, 0, f"holds {unseen} characters that are never shown")
    if name.endswith((".md", ".txt", ".rst")):
        blocks = [(match.start(2), match[2]) for match in FENCE.finditer(text)]
    else:
        blocks = [(0, text)]
    for start, block in blocks:
        yield from _matches(name, text, start, block, _COMMANDS)
    if name == FILE or name.startswith("references/"):
        yield from _matches(name, text, 0, FENCE.sub(_blank, text), _PHRASES)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _matches(
    name: str, text: str, start: int, block: str, rules: dict[str, re.Pattern[str]]
) -> Iterator[Found]:
    for why, pattern in rules.items():
        if match := pattern.search(block):
            line = text.count("\n", 0, start + match.start()) + 1
            yield Found(name, line, why, " ".join(match[0].split())[:80])
