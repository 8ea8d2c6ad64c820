"""A Hermes in small: ``owner.py HOME`` connects servers with the real registry, and waits.

``owner.py HOME --reap`` only does what the next start does.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from hermes.children import ProcessChildren
from hermes.secrets import SecretStore
from hermes.testing import make_context
from hermes_plugin_mcp.family import Servers
from hermes_plugin_mcp.settings import Mcp, McpServers

RAW = str(Path(__file__).parent / "raw_server.py")


async def main() -> None:
    home = Path(sys.argv[1])
    children = ProcessChildren(home / "run", SecretStore(home / ".env"))
    if "--reap" in sys.argv:
        sys.stdout.write(",".join(sorted(await children.reap())))
        return
    stubborn = {"command": sys.executable, "args": [RAW, "--stubborn", "--children", "2"]}
    entries = {
        "plain": {"command": sys.executable, "args": [RAW]},
        "stubborn": stubborn,
        "npx": {"command": "sh", "args": ["-c", f'"{sys.executable}" "{RAW}" --children 1; exit']},
    }
    servers = msgspec.convert(entries, McpServers)
    context = make_context(
        "mcp", home=home, settings=Mcp(), sections={"mcp_servers": servers}, children=children
    )
    family = Servers(context)
    await asyncio.gather(*(family.toolset(name).tools() for name in family.members()))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.sleep(600)


asyncio.run(main())
