"""Build every distribution's wheel and try each alone beside the kernel.

Each plugin goes into an environment of its own with the kernel and what it declares, nothing
else; there its entry point must load and all its modules import, so that a dependency it forgot
to declare shows. Last, `hermes-kernel[standard]` as a person installs it must answer
`hermes --version`. Versions are those of requirements.lock; first-party requirements are met by
the wheels just built.
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


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run *command* and give its output; when it fails, raise with all it printed."""
    done = subprocess.run(
        command, cwd=cwd, check=False, stdin=subprocess.DEVNULL,
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


def install(environment: Path, requirement: str, constraints: list[Path]) -> Path:
    """Make *environment* with *requirement* and what it declares; give its interpreter."""
    python = environment / "bin" / "python"
    run(UV, "venv", "-q", "--python", sys.executable, environment)
    flags = [flag for path in constraints for flag in ("--constraints", path)]
    command = [UV, "pip", "install", "-q", "--python", python, *flags, requirement]
    try:  # `make setup` filled uv's cache, and asking the registry again can stall for seconds
        run(*command, "--offline")
    except RuntimeError:
        run(*command)
    return python


def main() -> int:
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    with tempfile.TemporaryDirectory(prefix="hermes-wheels-") as folder:
        scratch = Path(folder)
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
                python = install(scratch / "standard", "hermes-kernel[standard]", constraints)
                said = run(python.with_name("hermes"), "--version", cwd=scratch).strip()
            except RuntimeError as error:
                return f"FAILED hermes-kernel[standard]: {error}"
            version = re.search(r"^hermes_kernel-([^-]+)-", wheels["hermes-kernel"].name)
            if version is None or version[1] not in said:
                return f"FAILED hermes-kernel[standard]: `hermes --version` said {said!r}"
            return f"ok hermes-kernel[standard]: {said} ({time.monotonic() - begun:.1f} s)"

        plugins = [name for name in wheels if name != "hermes-kernel"]
        with ThreadPoolExecutor(max_workers=2) as pool:
            said = [*pool.map(alone, plugins), together()]
    print("\n".join(said))
    return 1 if any(line.startswith("FAILED") for line in said) else 0


if __name__ == "__main__":
    sys.exit(main())
