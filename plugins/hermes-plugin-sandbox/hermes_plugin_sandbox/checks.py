"""What ``hermes doctor`` asks of the sandbox."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess

from hermes import TerminalError
from hermes_plugin_local_terminal.checks import TerminalCheck
from hermes_plugin_sandbox import holder, landlock
from hermes_plugin_sandbox.backend import chosen
from hermes_plugin_sandbox.sandboxed import kernel


class SandboxCheck(TerminalCheck):
    """Starts an empty sandbox, and says what bounds the commands in one."""

    backend = "sandbox"
    mend = (
        "apt install bubblewrap; where user namespaces are forbidden, sysctl"
        " kernel.unprivileged_userns_clone=1 or an AppArmor profile for bwrap, or sandbox.engine:"
        " landlock"
    )

    async def look(self) -> str:
        settings = self.context.settings
        if not shutil.which(settings.shell):
            raise TerminalError(f"no {settings.shell} on the PATH (sandbox.shell)")
        engine = chosen(settings.engine)
        if engine == "bwrap":
            await asyncio.to_thread(_start)
            counted = os.geteuid() != 0 and kernel() >= (5, 14)
            count = "and their number are" if counted else "is"
            return f"bubblewrap starts; memory of processes {count} bounded, processor time is not"
        if engine == "landlock":
            return f"Landlock {landlock.version()}; files and TCP are held, it is not isolated"
        missing = "" if holder.found() else "no bwrap or nsenter is installed, "
        raise TerminalError(f"{missing}Landlock is {landlock.version()} of {landlock.NEEDED}")


def _start() -> None:
    words = [holder.found(), "--unshare-all", "--ro-bind", "/", "/", "true"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=8, check=False)
    except subprocess.TimeoutExpired:
        raise TerminalError("bubblewrap does not start in 8 s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise TerminalError(f"bubblewrap cannot make its namespaces ({said[-1]})")
