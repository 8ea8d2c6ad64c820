"""A small model in this process: no key, no server to run."""
