"""SOUL.md, AGENTS.md and personalities in the prompt."""
