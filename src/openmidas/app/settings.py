"""How a server is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from openmidas.app.limits import Limits


@dataclass(frozen=True)
class Settings:
    """token: without it nobody is served but who sends it; None: everybody is. models: those a request may name, the
    first by default; clients cannot make the server fetch another."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    models: tuple[str, ...] = ("tiny",)
    limits: Limits = field(default_factory=Limits)

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
