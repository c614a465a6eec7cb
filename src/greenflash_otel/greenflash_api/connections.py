"""Open our own connections to the API, through a proxy if the environment names one.

httpcore, the library below httpx, makes them. Applications and their tests patch, record and trace httpx. None
of that affects deliveries, and no delivery shows up in it.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Any, Final

import httpcore
import httpx

from greenflash_otel.greenflash_api.deadline import DeadlineBackend

MAX_CONNECTIONS: Final = 100
MAX_IDLE_CONNECTIONS: Final = 20
IDLE_S: Final = 5.0
"""How long an idle connection is stored."""


def open_pool(base_url: str) -> httpcore.ConnectionPool:
    """Return a pool of connections to a base URL. TLS, proxies and their variables are as in httpx."""
    url = httpx.URL(base_url)
    proxy = find_proxy(url, urllib.request.getproxies())
    options: dict[str, Any] = {
        "max_connections": MAX_CONNECTIONS,
        "max_keepalive_connections": MAX_IDLE_CONNECTIONS,
        "keepalive_expiry": IDLE_S,
        "network_backend": DeadlineBackend(),
    }
    if url.scheme == "https" or (proxy is not None and proxy.scheme == "https"):
        options["ssl_context"] = httpx.create_ssl_context()
    if proxy is None:
        return httpcore.ConnectionPool(**options)
    address = httpcore.URL(scheme=proxy.raw_scheme, host=proxy.raw_host, port=proxy.port, target=b"/")
    auth = (proxy.username.encode(), proxy.password.encode()) if proxy.username else None
    if proxy.scheme.startswith("socks5"):
        return httpcore.SOCKSProxy(address, proxy_auth=auth, **options)
    return httpcore.HTTPProxy(address, proxy_auth=auth, **options)


def find_proxy(url: httpx.URL, proxies: Mapping[str, str]) -> httpx.URL | None:
    """Return the proxy for a URL; None for a direct connection.

    Args:
        proxies: By scheme, with ``all`` for every scheme and ``no`` for hosts that need none, as
            `urllib.request.getproxies` has them.
    """
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named or _needs_none(url.host, proxies.get("no", "")):
        return None
    return httpx.URL(named if "://" in named else f"http://{named}")


def _needs_none(host: str, exceptions: str) -> bool:
    """Return whether a list such as ``localhost,.example.org,*`` names a host or a domain above it."""
    host = host.lower()
    for name in exceptions.lower().split(","):
        domain = name.strip().removeprefix("*").removeprefix(".")
        if name.strip() == "*" or (domain and (host == domain or host.endswith(f".{domain}"))):
            return True
    return False
