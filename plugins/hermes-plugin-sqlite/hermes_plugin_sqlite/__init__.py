"""The journal of every conversation in one SQLite file, with full-text search."""
