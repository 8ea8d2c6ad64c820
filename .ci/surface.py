"""Check the public surface: every name of `hermes.__all__` resolves and says what it is.

A name is public when `from hermes import name` works; each one comes from `hermes` and each
class and function among them has a docstring.
"""

from __future__ import annotations

import inspect
import sys

import hermes


def complaint(name: str) -> str | None:
    """Say what is wrong with the public *name*, or None."""
    try:
        value = getattr(hermes, name)
    except Exception as error:  # noqa: BLE001 - whatever the lazy import raised is the finding
        return f"does not resolve: {error!r}"
    if inspect.isclass(value) or inspect.isfunction(value):
        if not value.__module__.startswith("hermes"):
            return f"belongs to {value.__module__}"
        if not value.__doc__:
            return "has no docstring"
    return None


def main() -> int:
    names = list(getattr(hermes, "__all__", ()))
    wrong = [f"hermes.{name} {said}" for name in names if (said := complaint(name))]
    if len(names) != len(set(names)):
        wrong.append("hermes.__all__ names something twice")
    print("\n".join(wrong) if wrong else f"surface: {len(names)} public names hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
