"""The bash that wraps each command at the other end, and how its marks are read here.

Whatever carries it (an SSH channel, a websocket, the pipes of a program) needs to do one thing: run
a list of words and pass bytes both ways. What the envelope has to say travels in the output itself,
between NULs and signed with the job's random name:

- ``begin``: this is the machine that was asked for, and the command starts now;
- ``elsewhere WHERE``: it is another machine. Nothing ran.
- ``gone WHAT``: the terminal's folder, the environment or the directory to start from is not there.
  Nothing ran.
- ``end CODE SNAPSHOT DIRECTORY``: how it ended. SNAPSHOT is 0 where the environment did not change,
  1 where it is kept under the job's name, 2 where it could not be written.

What comes before ``begin`` (a login banner, an ``echo`` in ``.bashrc``) is no output.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

MARK = "HERMES_REMOTE"
"""Variable in the environment of everything that a job starts: ``terminal:job``."""
INLINE = 100_000
"""Bytes of a command that may travel among the words: Linux takes 131,071 for one, quotes and all.
A longer one goes first through its standard input."""

IDENTITY = r"""
__hermes_id=; { read -r __hermes_id </etc/machine-id; } 2>/dev/null;
__hermes_here=$HOSTNAME/$__hermes_id/$EUID;
""".strip().replace("\n", " ")
"""Who this machine says that it is; no fork."""

_SCRIPT = (
    r"""
exec 2>&1;
__hermes_job=$1;
{identity}
__hermes_say() { printf '\0%s %s\0' "$__hermes_job" "$*"; };
[[ -z $2 || $2 == "$__hermes_here" ]] || { __hermes_say elsewhere "$__hermes_here"; exit 125; };
__hermes_folder=$3 __hermes_old=;
{ : >"$3/used"; } 2>/dev/null || { __hermes_say gone folder; exit 125; };
if [[ -n $4 ]]; then
  [[ -r $3/$4 ]] || { __hermes_say gone environment; exit 125; };
  __hermes_old=$(<"$3/$4");
fi;
cd -- "$5" 2>/dev/null || { __hermes_say gone directory; exit 125; };
__hermes_keep=$6 __hermes_command=$7;
if (( $8 )); then
  __hermes_command=$(head -c "$8"; printf x); __hermes_command=${__hermes_command%x};
fi;
[[ $9 == input ]] || exec </dev/null;
__hermes_say begin;
exec {__hermes_out}>&1;
eval "$__hermes_old" >/dev/null 2>&1 </dev/null;
set --;
shopt -s expand_aliases;
__hermes_save() {
  { local code=$? new kept=0; set +aeux; } 2>/dev/null;
  if [[ $__hermes_keep == keep ]]; then
    new=$(unset -f __hermes_save __hermes_say; unset PWD SHLVL {mark};
      shopt -p; umask -p; export -p; declare -f; declare -F; alias -p) 2>/dev/null;
    if [[ $new != "$__hermes_old" ]]; then
      kept=1;
      printf %s "$new" 2>/dev/null >"$__hermes_folder/$__hermes_job" || kept=2;
    fi;
  fi;
  [[ -n $__hermes_out ]] &&
    printf '\0%s end %d %d %s\0' "$__hermes_job" "$code" "$kept" "$PWD" >&$__hermes_out;
  __hermes_keep= __hermes_out=;
  exit "$code";
};
trap __hermes_save EXIT;
eval "$__hermes_command"
""".strip()
    .replace("{identity}", IDENTITY)
    .replace("{mark}", MARK)
    .replace("\n", " ")
    + "\n__hermes_save"
)
"""One line, so that bash counts the lines of its errors from the command's first. Its words: job,
identity, folder, snapshot, directory, ``keep`` (the environment) or nothing, command, how many
bytes of it come through the standard input instead, ``input`` or nothing."""

REAP = (
    r"""
__hermes_found() {
  local p line; local -A leads=(); found=();
  while read -r p; do
    p=${p%/environ}; p=${p##*/}; found+=("$p");
    { read -r line </proc/"$p"/stat; } 2>/dev/null || continue;
    set -- ${line##*) };
    [[ $3 == "$p" || $4 == "$p" ]] && leads[$p]=1;
  done < <(grep -lzsE -e "^{mark}=($__hermes_which)\$" /proc/[0-9]*/environ 2>/dev/null);
  (( ${#leads[@]} )) || return 0;
  for p in /proc/[0-9]*; do
    { read -r line <"$p/stat"; } 2>/dev/null || continue;
    set -- ${line##*) };
    [[ $1 != Z && ( -n ${leads[$3]} || -n ${leads[$4]} ) ]] && found+=("${p##*/}");
  done;
};
__hermes_reap() {
  local __hermes_which=$1 tries; local -a found;
  __hermes_found; (( ${#found[@]} )) || return 0;
  kill -TERM "${found[@]}" 2>/dev/null;
  for (( tries = 0; tries < 40; tries++ )); do
    sleep 0.05; __hermes_found; (( ${#found[@]} )) || return 0;
  done;
  for (( tries = 0; tries < 40; tries++ )); do
    kill -KILL "${found[@]}" 2>/dev/null;
    sleep 0.02; __hermes_found; (( ${#found[@]} )) || return 0;
  done;
};
""".strip()
    .replace("{mark}", MARK)
    .replace("\n", " ")
)
"""Defines ``__hermes_reap PATTERN``: end what carries a mark, and the sessions and groups that such
a process leads: SIGTERM, two seconds, SIGKILL."""

_END = (
    f"{IDENTITY} {REAP} "
    + r"""
[[ -z $1 || $1 == "$__hermes_here" ]] || exit 0;
__hermes_folder=$3; __hermes_reap "$2";
[[ -z $__hermes_folder ]] || rm -rf -- "$__hermes_folder"
""".strip().replace("\n", " ")
)

_KEEP = r"""
__hermes_folder=$1; shift;
mkdir -p -m 700 -- "$__hermes_folder" && : >"$__hermes_folder/used" && : >"$__hermes_folder/output";
setsid "$@" </dev/null >"$__hermes_folder/output" 2>&1 &
tail -c +1 -s 0.2 --pid=$! -f "$__hermes_folder/output"
""".strip().replace("\n", " ")

_PREPARE = (
    r"""
exec 2>&1 </dev/null;
__hermes_job=$1;
{identity}
__hermes_say() { printf '\0%s %s\0' "$__hermes_job" "$*"; };
__hermes_all=${4:-${TMPDIR:-/tmp}}/hermes-$EUID;
mkdir -p -m 700 -- "$__hermes_all" && [[ -O $__hermes_all && ! -L $__hermes_all ]] ||
  { __hermes_say gone "$__hermes_all is not ours"; exit 125; };
__hermes_folder=$__hermes_all/$2;
find "$__hermes_all" -mindepth 2 -maxdepth 2 -name used -mmin +1440 -printf '%h\0' 2>/dev/null |
  xargs -0r rm -rf -- 2>/dev/null;
mkdir -p -m 700 -- "$__hermes_folder" && : >"$__hermes_folder/used" ||
  { __hermes_say gone "$__hermes_folder"; exit 125; };
cd -- "${3:-$HOME}" 2>/dev/null || { __hermes_say gone directory; exit 125; };
shift 4;
for __hermes_pair; do export "$__hermes_pair"; done;
( __hermes_new=$(unset -f __hermes_say; unset PWD SHLVL {mark}; shopt -p; umask -p; export -p;
  declare -f; declare -F; alias -p) 2>/dev/null;
  printf %s "$__hermes_new" >"$__hermes_folder/$__hermes_job" ) 2>/dev/null ||
  { __hermes_say gone "$__hermes_folder: cannot write"; exit 125; };
__hermes_say here "$__hermes_here"; __hermes_say folder "$__hermes_folder";
__hermes_say end 0 1 "$PWD"
""".strip()
    .replace("{identity}", IDENTITY)
    .replace("{mark}", MARK)
    .replace("\n", " ")
)
"""Makes a terminal's folder and first snapshot. Its words: job, name of the folder, directory,
where the folder is to be (else the temporary folder), and variables to add. Folders that nobody
used for a day go."""


def prepare(
    job: str,
    name: str,
    directory: str,
    env: Mapping[str, str],
    *,
    root: str = "",
    shell: str = "bash",
) -> list[str]:
    """Make the words that prepare a terminal, in a login shell: its PATH is what a person has."""
    pairs = [f"{key}={value}" for key, value in env.items()]
    return [shell, "--login", "-c", _PREPARE, "bash", job, name, directory, root, *pairs]


def run(
    job: str,
    *,
    terminal: str,
    identity: str,
    folder: str,
    snapshot: str,
    directory: str,
    command: str,
    keep: bool,
    stdin: bool,
    most: int = INLINE,
    shell: str = "bash",
) -> tuple[list[str], bytes]:
    """Make the words that run *command*, and what goes into their standard input before its own.

    A command of more than *most* bytes goes there.
    """
    data = command.encode("utf-8", "surrogatepass")
    inline = len(data) + 4 * command.count("'") <= most
    rest = ["keep" if keep else "", command, "0"] if inline else ["keep" if keep else "", ""]
    words = ["env", "-i", f"{MARK}={terminal}:{job}", shell, "--noprofile", "--norc", "-c", _SCRIPT]
    words += ["bash", job, identity, folder, snapshot, directory, *rest]
    if not inline:
        words.append(str(len(data)))
    words.append("input" if stdin else "")
    return words, b"" if inline else data


def kept(folder: str, words: Sequence[str], *, shell: str = "bash") -> list[str]:
    """Make the words that start *words* so that they outlive us, and show their output from a file
    in *folder* until they end.
    """
    return [shell, "--noprofile", "--norc", "-c", _KEEP, "bash", folder, *words]


def end(identity: str, pattern: str, folder: str = "", *, shell: str = "bash") -> list[str]:
    """Make the words that end everything whose mark matches *pattern*, and remove *folder*.

    On a machine other than *identity* (where that is given) they do nothing.
    """
    return [shell, "--noprofile", "--norc", "-c", _END, "bash", identity, pattern, folder]


def new_job() -> str:
    """Name a job so that no output contains the name by chance."""
    return secrets.token_hex(12)


class Marks:
    """Takes the marks of one job out of its output."""

    def __init__(self, job: str) -> None:
        self.job = job
        self._start = f"\0{job} ".encode()
        self._waiting = b""
        self.began = False
        self.noise = b""
        """The end of what came before it began."""
        self.said: dict[str, str] = {}
        """What the envelope said: word to the rest."""

    def feed(self, data: bytes) -> bytes:
        """Give what of *data* is output."""
        data = self._waiting + data
        parts: list[bytes] = []
        while True:
            at = data.find(self._start)
            if at < 0:
                break
            end = data.find(b"\0", at + len(self._start))
            if end < 0:
                break
            parts.append(self._output(data[:at]))
            self._mark(data[at + len(self._start) : end])
            data = data[end + 1 :]
        hold = at if at >= 0 else _held(data, self._start)
        parts.append(self._output(data[:hold]))
        self._waiting = data[hold:]
        return b"".join(parts)

    def rest(self) -> bytes:
        """Give what was held back as the possible beginning of a mark."""
        data, self._waiting = self._waiting, b""
        return self._output(data)

    def _output(self, data: bytes) -> bytes:
        if self.began:
            return data
        self.noise = (self.noise + data)[-2000:]
        return b""

    def _mark(self, text: bytes) -> None:
        word, _, rest = text.partition(b" ")
        self.said[word.decode("ascii", "replace")] = rest.decode("utf-8", "surrogateescape")
        self.began = self.began or word == b"begin"


def _held(data: bytes, start: bytes) -> int:
    """Where in *data* a mark may begin that is not whole yet. Its first byte is its one NUL."""
    at = data.rfind(b"\0")
    return at if at >= 0 and start.startswith(data[at:]) else len(data)


def text(words: Sequence[str]) -> str:
    """Quote *words* for a shell."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
