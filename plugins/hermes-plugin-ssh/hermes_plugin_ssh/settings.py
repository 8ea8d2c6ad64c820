"""The `ssh` section."""

from __future__ import annotations

import msgspec

from hermes import Secret


class SSHSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine reached over SSH. What is empty here, `config` may say."""

    host: str = ""
    """Name, address or alias of `config`; empty: what the variable TERMINAL_SSH_HOST says."""
    user: str = ""
    """Empty: TERMINAL_SSH_USER, else as in `config`, else your own name."""
    port: int = 0
    """0: TERMINAL_SSH_PORT, else as in `config`, else 22."""
    key: str = ""
    """File of the private key. Empty: `key_from`, else as ssh looks for it (agent, ~/.ssh)."""
    key_from: Secret = Secret("env:TERMINAL_SSH_KEY")
    """Where the name of that file is read from when `key` is empty."""
    passphrase: Secret = Secret("env:TERMINAL_SSH_PASSPHRASE")
    """Of the private key."""
    password: Secret = Secret("env:TERMINAL_SSH_PASSWORD")
    """For hosts that take no key."""
    jump: tuple[str, ...] = ()
    """Hosts to go through, in this order: ``user@host:port``. Their keys are checked too."""
    known_hosts: str = "~/.ssh/known_hosts"
    """File of the host keys that are trusted."""
    accept_new: bool = False
    """Trust the key of a host that is not in that file, and add it. A changed key is refused."""
    config: str = "~/.ssh/config"
    """File as of OpenSSH; empty for none."""
    directory: str = ""
    """Where terminals start; empty: the home folder there."""
    connect_timeout: float = 15
    """Seconds to connect, each hop."""
    keepalive: float = 15
    """Seconds between signs of life. After three without an answer the connection is lost."""
