"""Written with the SDK: ``sdk_server.py stdio``, or ``sdk_server.py http|sse PORT [TOKEN]``."""

import asyncio
import base64
import os
import signal
import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp_types import ToolAnnotations
from starlette.responses import PlainTextResponse

app = MCPServer("sdk", version="1.2")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@app.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
def echo(text: str) -> str:
    """Say it again."""
    return text


@app.tool()
def point(x: int, y: int) -> dict[str, int]:
    """Make a point."""
    return {"x": x, "y": y}


@app.tool()
def picture() -> Image:
    """Draw a pixel."""
    return Image(data=PIXEL, format="png")


@app.tool()
def big(size: int) -> str:
    """Say much."""
    return "x" * size


@app.tool()
def fail() -> str:
    """Raise an error."""
    raise ValueError("out of cheese")


@app.tool()
async def slow(seconds: float, ctx: Context) -> str:
    """Take its time, and say how far it is."""
    await ctx.report_progress(1, 2, "half way")
    await asyncio.sleep(seconds)
    return "done"


@app.tool()
def pid() -> str:
    """Tell the process id."""
    return str(os.getpid())


@app.tool()
def die() -> str:
    """Kill the server."""
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


@app.tool()
async def grow(ctx: Context) -> str:
    """Get another tool."""

    def grown() -> str:
        """Be new."""
        return "new"

    app.add_tool(grown)
    await ctx.session.send_tool_list_changed()  # for clients of before 2026-07-28
    await ctx.notify_tools_changed()
    return "grown"


class Guard:
    """Answers 401 to whoever does not know the token."""

    def __init__(self, inner, token):
        self.inner, self.token = inner, token

    async def __call__(self, scope, receive, send):
        headers = dict(scope.get("headers", ()))
        if scope["type"] == "http" and headers.get(b"authorization") != self.token:
            await PlainTextResponse("who are you?", 401)(scope, receive, send)
        else:
            await self.inner(scope, receive, send)


def main():
    if sys.argv[1] == "stdio":
        app.run("stdio")
        return
    import uvicorn

    served = app.sse_app() if sys.argv[1] == "sse" else app.streamable_http_app()
    if len(sys.argv) > 3:
        served = Guard(served, f"Bearer {sys.argv[3]}".encode())
    uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")


main()
