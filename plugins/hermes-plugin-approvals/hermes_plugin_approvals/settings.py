"""The section ``approvals:``."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from hermes import Need, Role

Do: TypeAlias = Literal["allow", "ask", "deny"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule about calls by what they do. What a rule leaves out, it does not ask for.

    An ``allow`` holds only where every bound is known to hold. A ``deny`` holds where every bound
    is known to; where one is not known, somebody is asked, whatever else would have allowed it.
    """

    do: Do
    tools: tuple[str, ...] = ()
    """Names, with ``*``."""
    needs: tuple[Need, ...] = ()
    """``allow``: it needs nothing else. ``ask``, ``deny``: it needs one of these."""
    commands: tuple[str, ...] = ()
    """Commands as a whole, with ``*``: ``git push *``. Of one line of several commands ``allow``
    wants every one to fit, ``ask`` and ``deny`` one of them."""
    hosts: tuple[str, ...] = ()
    """Names, with ``*``."""
    paths: tuple[str, ...] = ()
    """Folders and files; relative ones lie in the workspace."""
    backends: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    persons: tuple[str, ...] = ()
    untrusted: bool | None = None
    """Whether the model had read text from somebody else (the web, a server, a message)."""
    why: str = ""
    """Told to the person and the model."""

    def __post_init__(self) -> None:
        if self.do == "allow" and not (self.tools or self.commands):
            raise ValueError("an allow rule must name tools or commands")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a person is asked before a tool runs."""

    mode: Literal["manual", "smart", "off"] = "manual"
    """``manual`` asks. ``smart`` lets a small model allow what stays in the workspace, and asks
    where that says no or nothing. ``off`` asks no more where commands run isolated from this
    machine (a container, a sandbox), and asks as before everywhere else."""
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 3600.0
    """Seconds that a question waits for its answer; after that, silence means no."""
    smart_timeout: Annotated[float, msgspec.Meta(gt=0, le=10)] = 10.0
    """Seconds that the small model has; then a person is asked."""
    read_workspace: bool = True
    """Reading files inside the conversation's folder is not asked about, by tools or by commands
    that are understood, except files that look as if they held secrets."""
    write_workspace: bool = False
    """Nor is changing them, for the person at hand and while the model has read nothing from
    strangers; except files that other programs run, and deleting."""
    rules: tuple[Rule, ...] = ()
    """``deny`` goes before ``ask``, that before ``allow``, that before the rest."""
    deny: tuple[str, ...] = ()
    """Commands that are refused to everybody, with ``*``, as ``sudo *``."""
