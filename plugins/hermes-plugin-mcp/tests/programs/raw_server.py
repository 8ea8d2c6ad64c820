"""A server in a few lines of bare Python: starts in no time, and misbehaves on request.

    raw_server.py [--mute] [--crash-at-start TEXT] [--garbage N] [--stubborn] [--children N]
                  [--log FILE] [--cancels FILE] [--junk-forever]

``--children`` leaves N double-forked children in sessions of their own, which hold the pipes open
and ignore SIGTERM; ``--stubborn`` makes the server itself ignore SIGTERM and the end of its input.
"""

import json
import os
import signal
import subprocess
import sys
import time

arguments = sys.argv[1:]


def option(name, default=None):
    return arguments[arguments.index(name) + 1] if name in arguments else default


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


STUBBORN_CHILD = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    time.sleep(600)\n"
)

if file := option("--log"):
    with open(file, "a") as log:  # noqa: PTH123
        log.write(f"{os.getpid()}\n")
if "--crash-at-start" in arguments:
    print(option("--crash-at-start"), file=sys.stderr)
    sys.exit(3)
if "--stubborn" in arguments:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(int(option("--children", "0"))):
    subprocess.run([sys.executable, "-c", STUBBORN_CHILD], check=True)
for number in range(int(option("--garbage", "0"))):
    print(f"garbage {number}", flush=True)
while "--junk-forever" in arguments:
    print("junk", flush=True)
while "--mute" in arguments:
    time.sleep(600)

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TOOLS = [
    {"name": "echo", "description": "Say it again.", "inputSchema": TEXT},
    {"name": "fail", "description": "Fail as a tool.", "inputSchema": {"type": "object"}},
    {"name": "wrong", "description": "Fail as JSON-RPC.", "inputSchema": {"type": "object"}},
    {"name": "die", "description": "End the server.", "inputSchema": {"type": "object"}},
    {"name": "hang", "description": "Never answer.", "inputSchema": {"type": "object"}},
    {"name": "deaf", "description": "Stop reading.", "inputSchema": {"type": "object"}},
    {"name": "close", "description": "Close the output.", "inputSchema": {"type": "object"}},
    {"name": "grow", "description": "Get another tool.", "inputSchema": {"type": "object"}},
    {"name": "pid", "description": "Tell the process id.", "inputSchema": {"type": "object"}},
    {
        "name": "env.all",
        "description": "Tell the environment.",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
    },
]


def call(name, given):
    if name == "echo":
        return given["text"]
    if name == "env.all":
        return json.dumps(dict(os.environ))
    if name == "pid":
        return str(os.getpid())
    if name == "die":
        print("a fatal mistake", file=sys.stderr, flush=True)
        os._exit(7)
    if name == "deaf":
        time.sleep(600)
    if name == "close":
        os.close(1)
        time.sleep(600)
    if name == "grow":
        TOOLS.append({"name": "grown", "description": "New.", "inputSchema": {"type": "object"}})
        send({"method": "notifications/tools/list_changed"})
        return "grown"
    raise ValueError(name)


def answer(message):
    method, number = message.get("method"), message.get("id")
    if method == "notifications/cancelled" and (file := option("--cancels")):
        with open(file, "a") as log:  # noqa: PTH123
            log.write(f"{message['params']['requestId']}\n")
    if number is None:
        return
    if method == "initialize":
        send(
            {
                "id": number,
                "result": {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "raw", "version": "0.1"},
                },
            }
        )
    elif method == "tools/list":
        send({"id": number, "result": {"tools": TOOLS}})
    elif method == "tools/call" and message["params"]["name"] == "wrong":
        send({"id": number, "error": {"code": -32602, "message": "that is wrong"}})
    elif method == "tools/call" and message["params"]["name"] == "hang":
        pass
    elif method == "tools/call" and message["params"]["name"] == "fail":
        content = [{"type": "text", "text": "it did not work"}]
        send({"id": number, "result": {"content": content, "isError": True}})
    elif method == "tools/call":
        text = call(message["params"]["name"], message["params"].get("arguments") or {})
        send({"id": number, "result": {"content": [{"type": "text", "text": text}]}})
    else:
        send({"id": number, "error": {"code": -32601, "message": "Method not found"}})


for line in sys.stdin:
    answer(json.loads(line))
while "--stubborn" in arguments:
    time.sleep(600)
