"""``hermes -z`` and ``-q``: for scripts."""

from __future__ import annotations
