"""Build every distribution's wheel and try each alone beside the kernel.

Each plugin goes into an environment of its own with the kernel and what it declares, nothing
else; there its entry point must load and all its modules import, so that a dependency it forgot
to declare shows. Last, `hermes-kernel[standard]` as a person installs it must answer
`hermes --version` and `hermes --help`, as a user without rights in an empty home. Versions are
those of requirements.lock; first-party requirements are met by the wheels just built.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NOBODY = 65534
"""The user that a program is tried as where root runs this."""
ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
PROBE = """
import importlib, importlib.metadata, pkgutil, sys
name = sys.argv[1]
entries = importlib.metadata.distribution(name).entry_points
(entry,) = entries.select(group="hermes.plugins")
package = entry.load()
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
"""


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run *command* and give its output; when it fails, raise with all it printed."""
    done = subprocess.run(
        command, cwd=cwd, check=False, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed\n{done.stdout}")
    return done.stdout


def build(out: Path) -> dict[str, Path]:
    """Build the wheels of the whole workspace; give distribution name to wheel."""
    run(UV, "build", "-q", "--all-packages", "--wheel", "--no-build-isolation",
        "--python", sys.executable, "--out-dir", out)  # fmt: skip
    return {w.name.partition("-")[0].replace("_", "-"): w for w in sorted(out.glob("*.whl"))}


def install(
    environment: Path, requirement: str, constraints: list[Path], base: str = sys.executable
) -> Path:
    """Make *environment* with *requirement* and what it declares; give its interpreter."""
    python = environment / "bin" / "python"
    run(UV, "venv", "-q", "--python", base, environment)
    add(python, constraints, requirement)
    return python


def add(python: Path, constraints: list[Path], *requirements: str) -> None:
    """Install *requirements*, and what they declare, into an environment."""
    flags = [flag for path in constraints for flag in ("--constraints", path)]
    command = [UV, "pip", "install", "-q", "--python", python, *flags, *requirements]
    try:  # `make setup` filled uv's cache, and asking the registry again can stall for seconds
        run(*command, "--offline")
    except RuntimeError:
        run(*command)


def unprivileged(*command: str | Path, home: Path) -> str:
    """Run *command* as a user who has no rights here and whose home is *home*."""
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        os.chown(home, NOBODY, NOBODY)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
    return run(*prefix, *command, cwd=home, env=env)


def everybodys_python(home: Path) -> str:
    """Give an interpreter that other users may run: root's own may lie where they cannot look."""
    check = "import subprocess as s, sys, venv; sys.exit(sys.version_info < (3, 11)"
    check += " or s.run([sys.executable, '-c', 'pass']).returncode)"  # and start by its name
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            unprivileged(python, "-c", check, home=home)
            return python
        except (RuntimeError, OSError):
            continue
    raise RuntimeError("no Python 3.11 that a user without rights may run: apt-get install python3")


def answers(hermes: Path, version: str, home: Path) -> str:
    """Try the installed command as a user without rights; give what was said."""
    said = unprivileged(hermes, "--version", home=home).strip()
    if said != f"hermes {version}":
        raise RuntimeError(f"`hermes --version` said {said!r}, expected hermes {version}")
    for _ in range(2):  # without an index, and with it
        shown = unprivileged(hermes, "--help", home=home)
        if not re.search(r"^  chat  ", shown, re.MULTILINE) or "Traceback" in shown:
            raise RuntimeError(f"`hermes --help` said\n{shown}")
    if (mode := (home / ".hermes").stat().st_mode & 0o777) != 0o700:
        raise RuntimeError(f"it made its home with mode {mode:o}, for others to read")
    return said


def main() -> int:
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    with tempfile.TemporaryDirectory(prefix="hermes-wheels-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # others look into it too
        os.environ["HERMES_HOME"] = str(scratch / "home")
        start = time.monotonic()
        wheels = build(scratch / "dist")
        print(f"built {len(wheels)} wheels in {time.monotonic() - start:.1f} s", flush=True)
        ours = scratch / "ours.txt"
        ours.write_text("".join(f"{name} @ {wheel.as_uri()}\n" for name, wheel in wheels.items()))
        constraints = [ROOT / "requirements.lock", ours]

        def alone(name: str) -> str:
            try:
                begun = time.monotonic()
                python = install(scratch / name, name, constraints)
                run(python, "-I", "-c", PROBE, name, cwd=scratch)
            except RuntimeError as error:
                return f"FAILED {name}: {error}"
            return f"ok {name} ({time.monotonic() - begun:.1f} s)"

        def together() -> str:
            try:
                begun = time.monotonic()
                home = scratch / "nobody"
                home.mkdir()
                base = everybodys_python(home)
                python = install(scratch / "all", "hermes-kernel[standard]", constraints, base)
                version = wheels["hermes-kernel"].name.split("-")[1]
                said = answers(python.with_name("hermes"), version, home)
            except RuntimeError as error:
                return f"FAILED hermes-kernel[standard]: {error}"
            return f"ok hermes-kernel[standard]: {said} ({time.monotonic() - begun:.1f} s)"

        plugins = [name for name in wheels if name != "hermes-kernel"]
        with ThreadPoolExecutor(max_workers=2) as pool:
            said = [*pool.map(alone, plugins), together()]
    print("\n".join(said))
    return 1 if any(line.startswith("FAILED") for line in said) else 0


if __name__ == "__main__":
    sys.exit(main())
