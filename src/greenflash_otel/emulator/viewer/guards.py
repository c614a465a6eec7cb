"""What protects the pages: headers for the browser, a key where there is one, a token for what changes something."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request

COOKIE = "greenflash_emulator"
LONGEST_FORM = 10_000
"""Bytes of a form; ours have a token, or a key."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types viewer"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every page."""


class Guard:
    """Who may see the pages, and who may change something by them."""

    def __init__(self, api_key: str | None) -> None:
        self._api_key = api_key
        self._session = secrets.token_urlsafe(32)
        self.token = secrets.token_urlsafe(32)
        """Part of every form that changes something."""

    def may_see(self, request: Request) -> bool:
        """Return whether the request carries what the key was exchanged for, or the key; True where there is no key."""
        if self._api_key is None:
            return True
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return _is_same(request.cookies.get(COOKIE, ""), self._session) or (
            scheme.lower() == "bearer" and _is_same(key.strip(), self._api_key)
        )

    def exchange(self, key: str) -> str | None:
        """Return the value of the cookie for a key; None if it is the wrong one."""
        return self._session if self._api_key is not None and _is_same(key, self._api_key) else None

    def may_change(self, request: Request, form: Mapping[str, str]) -> bool:
        """Return whether a form of ours was sent by a page of ours."""
        return comes_from_here(request) and _is_same(form.get("token", ""), self.token)


def comes_from_here(request: Request) -> bool:
    """Return whether a browser says that no other site made the request. Programs say nothing."""
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


async def read_form(request: Request) -> Mapping[str, str]:
    """Read a small form; empty if it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _is_same(sent: str, expected: str) -> bool:
    return hmac.compare_digest(sent.encode(), expected.encode())
