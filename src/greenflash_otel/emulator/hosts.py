"""Answer requests to names of this machine only, so that no other site reads what is here.

A site can point its own name at the loopback address after its page was loaded (DNS rebinding). Its requests
then carry that name in ``Host``. Addresses and names without a dot cannot be anybody else's name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

REFUSAL = "The emulator does not answer to the host {!r}. Start it with --allowed-host to allow that name."


class HostCheck:
    """Middleware that refuses requests to names that were not allowed, with 421."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str] = ()) -> None:
        self._app = app
        self._allowed = frozenset(name.lower().rstrip(".") for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            if not is_allowed(host, self._allowed):
                refusal = {"success": False, "message": REFUSAL.format(host)}
                return await JSONResponse(refusal, 421)(scope, receive, send)
        return await self._app(scope, receive, send)


def is_allowed(host: str, allowed: frozenset[str]) -> bool:
    """Return whether the value of a ``Host`` header names this machine."""
    name = strip_port(host).lower().rstrip(".")
    if name in allowed or name.endswith(".localhost") or re.fullmatch("[a-z0-9_-]*", name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def strip_port(host: str) -> str:
    """Return the name or address of a ``Host`` header; what has brackets elsewhere stays as it is, and is refused."""
    match = re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::\d*)?", host)
    return host if match is None else match[1] or match[2] or ""
