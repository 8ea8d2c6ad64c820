"""The service, on loopback: it knows Berlin, and refuses what the real one refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hermes_plugin_weather.settings import Settings

BERLIN = {"name": "Berlin", "country": "Germany", "latitude": 52.52, "longitude": 13.41}


class OpenMeteo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path == "/search":
            known = asked.get("name") == "Berlin"
            return self._say(200, {"results": [BERLIN]} if known else {"generationtime_ms": 0.5})
        days = int(asked.get("forecast_days", 7))
        if "latitude" not in asked or not 0 <= days <= 16:
            return self._say(400, {"error": True, "reason": "out of range"})
        warm = 50.0 if asked.get("temperature_unit") == "fahrenheit" else 10.0
        rows = range(1, days + 1)
        values = {"temperature_2m_min": warm - 5, "temperature_2m_max": warm}
        daily: dict[str, list[Any]] = {"time": [f"2026-01-{day:02}" for day in rows]}
        for name in asked.get("daily", "").split(","):
            daily[name] = [values.get(name, 0.5)] * days
        return self._say(200, {"daily": daily})

    def _say(self, status: int, said: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Give settings that name the service on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OpenMeteo)
    Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    yield Settings(url=f"{base}/forecast", geocoding=f"{base}/search")
    server.shutdown()
    server.server_close()
