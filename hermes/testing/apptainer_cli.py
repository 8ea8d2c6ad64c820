"""A stand-in for the command `apptainer`: its command line, over bubblewrap.

`hermes.testing.apptainer` installs it as an executable. Only the standard library is imported: it
starts for every command. It takes the sub-commands and flags that our backend uses, and refuses
others in the real one's words; containers are real ones, and what is in them really runs. Two
things differ: the image's files are this machine's programs, and an overlay must exist but is not
written to.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

FLAGS = {
    "build": {"--force": 0},
    "instance start": {
        "--containall": 0,
        "--cleanenv": 0,
        "--no-privs": 0,
        "--writable-tmpfs": 0,
        "--net": 0,
        "--network": 1,
        "--overlay": 1,
        "--workdir": 1,
        "--bind": 1,
        "--cpus": 1,
        "--memory": 1,
        "--pids-limit": 1,
    },
    "instance stop": {"--timeout": 1},
    "instance list": {"--json": 0},
    "exec": {"--cleanenv": 0, "--no-privs": 0, "--pwd": 1},
}
"""Sub-command to its flags, and how many words each takes."""
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}

AGENT = r"""
import json, os, signal, socket, subprocess, sys, threading
def serve(sock):
    data, fds, _, _ = socket.recv_fds(sock, 1 << 20, 3)
    if not data:
        return
    with open(json.loads(data)["file"]) as file:
        asked = json.load(file)
    try:
        process = subprocess.Popen(asked["words"], env=asked["env"], cwd=asked["pwd"],
            stdin=fds[0], stdout=fds[1], stderr=fds[2], start_new_session=True)
    except OSError as error:
        os.write(fds[2], f'FATAL:   "{asked["words"][0]}": {error.strerror}\n'.encode())
        sock.send(b"255")
        return
    finally:
        for fd in fds:
            os.close(fd)
    threading.Thread(target=watch, args=(sock, process), daemon=True).start()
    code = process.wait()
    try:
        sock.send(str(code).encode())
    except OSError:
        pass
def watch(sock, process):
    if not sock.recv(1):  # whoever ran it was killed, and it is the same process
        process.kill()
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    sock, _ = listener.accept()
    threading.Thread(target=serve, args=(sock,), daemon=True).start()
"""

KEEPER = "import subprocess, sys; subprocess.call(sys.argv[2:], pass_fds=[int(sys.argv[1])])"
"""Stands for the instance: what is in it dies with it."""


def fatal(said: str, code: int = 255) -> NoReturn:
    print(f"FATAL:   {said}", file=sys.stderr)
    sys.exit(code)


def parse(name: str, words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Give the flags and the rest; flags end at the first other word."""
    known, given = FLAGS[name], dict[str, list[str]]()
    while words and words[0].startswith("-"):
        flag, equals, value = words.pop(0).partition("=")
        if flag not in known:
            print(f'Error for command "{name.split()[-1]}": unknown flag: {flag}', file=sys.stderr)
            sys.exit(1)
        if known[flag] and not equals:
            if not words:
                print(f"Error: flag needs an argument: {flag}", file=sys.stderr)
                sys.exit(1)
            value = words.pop(0)
        given.setdefault(flag, []).append(value)
    return given, words


class Instances:
    """The instances of a state folder: a folder each, with socket, pid and disk."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.config = json.loads((state / "config.json").read_text())

    def folder(self, name: str) -> Path:
        return self.state / "instances" / name

    def pid(self, name: str) -> int:
        """Give the pid of a running instance, 0 where there is none."""
        try:
            pid = int((self.folder(name) / "pid").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return 0
        return pid

    def start(self, flags: dict[str, list[str]], image: str, name: str) -> None:
        if not Path(image).exists():
            fatal(f"Could not open image {image}: failed to retrieve path for {image}")
        if not Path(image).read_bytes().startswith(b"SIF"):
            fatal(f"While checking image: image format not recognized: {image}")
        if self.pid(name):
            fatal(f"instance {name} already exists")
        for overlay in flags.get("--overlay", ()):
            if not Path(overlay.partition(":")[0]).is_dir():
                fatal(f"failed to open overlay image {overlay}: no such file or directory")
        if "--writable-tmpfs" in flags and "--overlay" in flags:
            fatal("--overlay and --writable-tmpfs cannot be used together")
        if "--network" in flags and os.geteuid() and not self.config.get("setuid"):
            fatal("network requires root or --fakeroot, users need setuid mode")
        for limit in ("--cpus", "--memory", "--pids-limit"):
            if limit in flags and not self.config.get("cgroups"):
                fatal("while applying cgroups config: rootless cgroups require cgroups v2")
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "s"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        listener.listen(64)
        number = str(listener.fileno())
        inner = [*self._words(flags, folder), self.config["python"], "-IS", "-c", AGENT, number]
        process = subprocess.Popen(
            [self.config["python"], "-IS", "-c", KEEPER, number, *inner],
            env=ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        (folder / "pid").write_text(str(process.pid))
        print("INFO:    instance started successfully", file=sys.stderr)

    def _words(self, flags: dict[str, list[str]], folder: Path) -> list[str]:
        """As the real one: with --workdir, home and both temporary folders lie in it."""
        workdir = Path(flags["--workdir"][0]) if "--workdir" in flags else folder / "work"
        if "--workdir" in flags and not workdir.is_dir():
            fatal(f"failed to open working directory {workdir}: no such file or directory")
        words = [*self.config["bwrap"], "--die-with-parent"]
        words += [] if "--net" in flags else ["--share-net"]  # as the real one does
        for inner, name in (("/tmp", "tmp"), ("/var/tmp", "var_tmp"), ("/home/user", "home")):
            (workdir / name).mkdir(parents=True, exist_ok=True)
            words += ["--bind", str(workdir / name), inner]
        for bind in flags.get("--bind", ()):
            source, _, rest = bind.partition(":")
            if not Path(source).exists():
                fatal(f"mount {source}->{rest or source} error: no such file or directory")
            words += ["--bind", source, rest.partition(":")[0] or source]
        (folder / "run").mkdir(exist_ok=True)
        return [*words, "--bind", str(folder / "run"), "/run/machine"]

    def exec(self, flags: dict[str, list[str]], target: str, words: list[str]) -> None:
        name = target.removeprefix("instance://")
        if name == target:
            fatal("only instances here")
        if not self.pid(name):
            fatal(f"no instance found with name {name}")
        env = {**ENV, "HOME": "/home/user", "USER": "user", "APPTAINER_NAME": name}
        if "--cleanenv" not in flags:
            env = {**os.environ, **env}
        asked = {"words": words, "env": env, "pwd": flags.get("--pwd", ["/home/user"])[0]}
        folder = self.folder(name)
        call = f"{os.getpid()}-{time.monotonic_ns()}"
        (folder / "run" / call).write_text(json.dumps(asked))
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(str(folder / "s"))
        socket.send_fds(sock, [json.dumps({"file": f"/run/machine/{call}"}).encode()], [0, 1, 2])
        for descriptor in (0, 1):
            os.close(descriptor)
        code = int(sock.recv(64) or b"-9")
        (folder / "run" / call).unlink(missing_ok=True)
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code)

    def stop(self, name: str) -> None:
        pid = self.pid(name)
        if not pid:
            fatal(f"no instance found with name {name}")
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 10
        while self.pid(name) and time.monotonic() < until and not _zombie(pid):
            time.sleep(0.01)
        (self.folder(name) / "pid").unlink()
        print(f"INFO:    Stopping {name} instance", file=sys.stderr)

    def list(self) -> None:
        root = self.state / "instances"
        names = sorted(each.name for each in root.iterdir()) if root.is_dir() else []
        running = [{"instance": name, "pid": self.pid(name)} for name in names if self.pid(name)]
        print(json.dumps({"instances": running}))


def build(state: Path, flags: dict[str, list[str]], words: list[str]) -> None:
    target, source = words
    if Path(target).exists() and "--force" not in flags:
        fatal(f"While checking build target: build target '{target}' already exists. Use --force")
    if not source.startswith(("docker://", "library://")):
        fatal(f"unable to parse image name {source}: not a supported transport")
    if "missing" in source:
        fatal(f"While performing build: conveyor failed to get: reading manifest {source}: denied")
    with (state / "builds").open("a") as file:
        file.write(f"{source}\n")
    Path(target).write_bytes(b"SIF of " + source.encode())


def main(state: Path, words: list[str]) -> None:
    if words == ["--version"]:
        print("apptainer version 1.3.4")
        return
    name = " ".join(words[:2]) if words[:1] == ["instance"] else "".join(words[:1])
    if name not in FLAGS:
        print(f'Error for command "apptainer": unknown command "{name}"', file=sys.stderr)
        sys.exit(1)
    flags, rest = parse(name, words[len(name.split()) :])
    instances = Instances(state)
    needed: dict[str, Any] = {"build": 2, "instance start": 2, "instance stop": 1}
    if name in needed and len(rest) != needed[name]:
        print(f"Error for command: accepts {needed[name]} arg(s)", file=sys.stderr)
        sys.exit(1)
    match name:
        case "build":
            build(state, flags, rest)
        case "instance start":
            instances.start(flags, *rest)
        case "instance stop":
            instances.stop(rest[0])
        case "instance list":
            instances.list()
        case "exec":
            instances.exec(flags, rest[0], rest[1:])


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
