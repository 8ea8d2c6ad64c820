"""A Honcho over loopback: its API as the unmodified SDK speaks it, and what it refuses."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hermes.testing import FakeContext
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_honcho.settings import Settings

KEY = "hch-test-key"
ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
NOW = "2025-12-01T00:00:00Z"


class Refused(Exception):
    """What the real one answers with this status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Honcho:
    """What it keeps. Conclusions are drawn at once, one of each message; the real one takes its
    time and a model for that.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.workspaces: set[str] = set()
        self.peers: dict[str, list[str]] = {}
        """Peer -> its card."""
        self.sessions: dict[str, set[str]] = {}
        self.messages: list[dict[str, Any]] = []
        self.conclusions: list[dict[str, Any]] = []
        self.delay = 0.0
        self.answer = "They like tea."

    def serve(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        self.requests.append((method, path, body))
        time.sleep(self.delay)
        parts = path.strip("/").split("/")
        if parts[:2] != ["v3", "workspaces"]:
            raise Refused(404, "Not Found")
        if len(parts) == 2 and method == "POST":
            self.workspaces.add(self._id(body))
            return {"id": body["id"], "created_at": NOW}
        workspace, *rest = parts[2:]
        if workspace not in self.workspaces:
            raise Refused(404, f"Workspace {workspace} not found")
        match (method, *rest):
            case ("POST", "peers"):
                self.peers.setdefault(self._id(body), [])
                return {"id": body["id"], "workspace_id": workspace, "created_at": NOW}
            case ("POST", "sessions"):
                for peer in body.get("peers") or {}:
                    self._known(peer)
                self.sessions.setdefault(self._id(body), set()).update(body.get("peers") or {})
                return {
                    "id": body["id"], "is_active": True, "workspace_id": workspace,
                    "created_at": NOW,
                }  # fmt: skip
            case ("POST", "sessions", session, "messages"):
                return self._add(workspace, session, body)
            case ("DELETE", "sessions", session):
                if self.sessions.pop(session, None) is None:
                    raise Refused(404, "Session not found")
                self.messages = [m for m in self.messages if m["session_id"] != session]
                return {"message": "accepted"}
            case ("GET", "peers", peer, "context"):
                return self._context(peer, query)
            case ("GET", "peers", peer, "card"):
                return {"peer_card": self._known(peer) or None}
            case ("PUT", "peers", peer, "card"):
                self._known(peer)
                self.peers[peer] = body["peer_card"]
                return {"peer_card": self.peers[peer]}
            case ("POST", "peers", peer, "search"):
                self._known(peer)
                wanted = body["query"].casefold()
                mine = [m for m in self.messages if m["peer_id"] == peer]
                return [m for m in mine if wanted in m["content"].casefold()][: body["limit"]]
            case ("POST", "peers", peer, "chat"):
                self._known(peer)
                return {"content": self.answer}
            case ("POST", "conclusions"):
                return [self._conclude(**each) for each in body["conclusions"]]
            case ("POST", "conclusions", "list"):
                filters = (body or {}).get("filters") or {}
                every = [
                    c for c in self.conclusions if all(c.get(k) == v for k, v in filters.items())
                ]
                page, size = int(query["page"]), int(query["size"])
                items = every[(page - 1) * size : page * size]
                pages = -(-len(every) // size)
                return {
                    "items": items, "page": page, "size": size, "total": len(every), "pages": pages,
                }  # fmt: skip
            case ("DELETE", "conclusions", id):
                before = len(self.conclusions)
                self.conclusions = [c for c in self.conclusions if c["id"] != id]
                if len(self.conclusions) == before:
                    raise Refused(404, "Conclusion not found")
                return None
        raise Refused(405, f"{method} {path}")

    def _id(self, body: dict[str, Any]) -> str:
        if not ID.fullmatch(body.get("id", "")):
            raise Refused(422, "id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        return str(body["id"])

    def _known(self, peer: str) -> list[str]:
        if peer not in self.peers:
            raise Refused(404, f"Peer {peer} not found")
        return self.peers[peer]

    def _add(self, workspace: str, session: str, body: Any) -> list[dict[str, Any]]:
        if session not in self.sessions:
            raise Refused(404, "Session not found")
        if not 1 <= len(body["messages"]) <= 100:
            raise Refused(422, "messages: between 1 and 100")
        made = []
        for message in body["messages"]:
            self._known(message["peer_id"])
            if len(message["content"]) > 25_000:
                raise Refused(422, "content: at most 25000 characters")
            made.append(
                {
                    "id": f"m{len(self.messages) + len(made)}", "content": message["content"],
                    "peer_id": message["peer_id"], "session_id": session, "created_at": NOW,
                    "workspace_id": workspace, "token_count": len(message["content"]) // 4,
                }
            )  # fmt: skip
        self.messages += made
        for message in made:
            if message["peer_id"] != "hermes":
                peer = message["peer_id"]
                self._conclude(peer, peer, message["content"], session)
        return made

    def _conclude(
        self, observer_id: str, observed_id: str, content: str, session_id: str | None = None
    ) -> dict[str, Any]:
        self._known(observed_id)
        made = {
            "id": f"c{len(self.requests)}-{len(self.conclusions)}", "content": content,
            "observer_id": observer_id, "observed_id": observed_id, "session_id": session_id,
            "created_at": NOW,
        }  # fmt: skip
        self.conclusions.append(made)
        return made

    def _context(self, peer: str, query: dict[str, str]) -> dict[str, Any]:
        card = self._known(peer)
        asked = set(re.findall(r"\w{4,}", query.get("search_query", "").casefold()))
        mine = [c["content"] for c in self.conclusions if c["observed_id"] == peer]
        near = [text for text in mine if asked & set(re.findall(r"\w{4,}", text.casefold()))]
        kept = near[: int(query.get("max_conclusions", 10))]
        return {
            "peer_id": peer, "target_id": peer, "peer_card": card or None,
            "representation": "\n".join(kept),
        }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    honcho: Honcho

    def _any(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            if self.headers.get("authorization") != f"Bearer {KEY}":
                raise Refused(401, "Invalid API key")
            status, answer = 200, self.honcho.serve(self.command, url.path, query, body)
        except Refused as refused:
            status, answer = refused.status, {"detail": str(refused)}
        data = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # who asked did not wait

    do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = type("Bound", (Handler,), {"honcho": Honcho()})
    with ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def honcho(server: ThreadingHTTPServer) -> Honcho:
    found = server.RequestHandlerClass.honcho  # type: ignore[attr-defined]
    assert isinstance(found, Honcho)
    return found


@pytest.fixture
def settings(server: ThreadingHTTPServer) -> Settings:
    return Settings(base_url=f"http://127.0.0.1:{server.server_address[1]}", timeout=5)


@pytest.fixture
def context(plugin_context: MakeContext, settings: Settings) -> FakeContext:
    return plugin_context("honcho", settings=settings, secrets={"env:HONCHO_API_KEY": KEY})
