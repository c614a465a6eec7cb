"""Check the way to Greenflash with one request: the list of the account's products."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from opentelemetry import context as otel_context

from greenflash_otel.checkup.finding import Finding
from greenflash_otel.greenflash_api.quiet import without_log_lines
from greenflash_otel.greenflash_api.stand_in import HEADER
from greenflash_otel.set_up_report import remove_password
from greenflash_otel.settings import NO_PRODUCT, Settings
from greenflash_otel.suppression import UNTRACED

TIMEOUT_S: Final = 10.0
MAX_CLOCK_S: Final = 60.0
SHOWN_PRODUCTS: Final = 5
_ADDRESS_STEP: Final = (
    "set GREENFLASH_BASE_URL to the address of the API, which ends with /api/v1, or remove it for the default"
)


def check_api(settings: Settings, http_client: httpx.Client | None = None) -> Iterator[Finding]:
    """Yield what an answer of the API shows, or why there is none. Without a key, only the address is checked.

    Args:
        settings: What to check.
        http_client: That the application passed to `instrument()`.
    """
    if settings.offline_reason is not None:
        yield Finding(
            "api.reachable", "warn", f"not checked: {settings.offline_reason}", "set GREENFLASH_BASE_URL"
        )
        return
    address = remove_password(settings.base_url)
    began_s = time.monotonic()
    try:
        answer = _ask(settings, http_client)
    except Exception as error:  # noqa: BLE001 - wrong addresses and proxies raise many kinds
        yield _describe_failure(error, address)
        return
    took_ms = round((time.monotonic() - began_s) * 1000)
    yield Finding("api.reachable", "ok", f"{address} answers in {took_ms} ms")
    yield from _judge(answer, settings)
    yield from _check_clock(answer)


def _ask(settings: Settings, http_client: httpx.Client | None) -> httpx.Response:
    """Ask for the products, with nothing traced or logged of it."""
    key = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    url = f"{settings.base_url.rstrip('/')}/products"
    own = httpx.Client() if http_client is None else nullcontext(http_client)
    token = otel_context.attach(UNTRACED)
    try:
        with without_log_lines(), own as client:
            return client.get(
                url,
                params={"limit": 100},
                headers={"accept": "application/json", **key},
                auth=None,
                follow_redirects=False,
                timeout=TIMEOUT_S,
            )
    finally:
        otel_context.detach(token)


def _describe_failure(error: Exception, address: str) -> Finding:
    text = str(error)
    if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
        step = "install the certificate of your proxy or company, and name its file in SSL_CERT_FILE"
        return Finding("api.reachable", "fail", f"{address}: its certificate is not trusted", step)
    what = "does not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
    step = (
        "check GREENFLASH_BASE_URL, the network, and HTTPS_PROXY if you need a proxy; what is captured waits"
    )
    return Finding("api.reachable", "fail", f"{address} {what} ({type(error).__name__})", step)


def _judge(answer: httpx.Response, settings: Settings) -> Iterator[Finding]:
    status, body = answer.status_code, _read_json(answer)
    kind = answer.headers.get("content-type", "no content type").partition(";")[0]
    if answer.is_redirect:
        target = remove_password(str(answer.headers.get("location", "nowhere")))
        yield Finding("api.address", "fail", f"it answers with a redirect to {target}", _ADDRESS_STEP)
    elif body is None:
        title = f"what answers is not the Greenflash API (HTTP {status}, {kind}): a proxy's page or another service"
        yield Finding("api.address", "fail", title, _ADDRESS_STEP)
    elif status == 404:
        yield Finding("api.address", "fail", "the API is not at this address (HTTP 404)", _ADDRESS_STEP)
    elif status in (401, 403):
        yield Finding("api.address", "ok", "it speaks JSON, as the API does")
        if settings.api_key is not None:
            title = f"Greenflash does not accept the key (HTTP {status}): delivery pauses"
            step = "copy the key of this account again into GREENFLASH_API_KEY, then: greenflash-otel outbox flush"
            yield Finding("api.key", "fail", title, step)
    elif status >= 400:
        step = "wait and run this again; nothing is lost, deliveries are repeated"
        yield Finding("api.available", "warn", f"Greenflash answers with HTTP {status}", step)
    else:
        yield from _check_product(answer, body, settings)


def _check_product(answer: httpx.Response, body: Any, settings: Settings) -> Iterator[Finding]:  # Any: JSON
    products = (
        body
        if isinstance(body, list)
        else body.get("products", body.get("data"))
        if isinstance(body, dict)
        else None
    )
    if not isinstance(products, list):
        yield Finding("api.address", "fail", "what answers is not the list of products", _ADDRESS_STEP)
        return
    yield Finding("api.address", "ok", "it is the API")
    if settings.api_key is not None:
        yield Finding("api.key", "ok", "the key is accepted")
    if settings.product_id in (None, NO_PRODUCT):
        return
    named = {
        str(product.get("id")).lower(): str(product.get("name"))
        for product in products
        if isinstance(product, dict)
    }
    if str(settings.product_id).lower() in named:
        yield Finding("api.product", "ok", "the account has the product")
    elif HEADER in answer.headers:
        yield Finding("api.product", "ok", "a local emulator takes any product")
    elif "next" in answer.links:
        yield Finding(
            "api.product",
            "warn",
            "the product is not among the first 100 of the account",
            "look it up in Greenflash",
        )
    else:
        some = ", ".join(f"{name} ({id})" for id, name in list(named.items())[:SHOWN_PRODUCTS]) or "none"
        title = f"the account of this key has no product {settings.product_id}; it has: {some}"
        step = (
            "set GREENFLASH_PRODUCT_ID to one of these, or GREENFLASH_API_KEY to a key of the other account"
        )
        yield Finding("api.product", "fail", title, step)


def _check_clock(answer: httpx.Response) -> Iterator[Finding]:
    try:
        server_s = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return
    off_s = time.time() - server_s
    if abs(off_s) > MAX_CLOCK_S:
        side = "fast" if off_s > 0 else "slow"
        title = f"the clock of this machine is {abs(off_s):.0f} s {side}: conversations get wrong times"
        yield Finding("api.clock", "fail", title, "set the clock, e.g. by NTP")
    else:
        yield Finding("api.clock", "ok", "the clock is right")


def _read_json(answer: httpx.Response) -> Any:  # JSON of any shape
    try:
        return json.loads(answer.content)
    except ValueError:
        return None
