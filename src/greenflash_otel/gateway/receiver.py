"""Decides about a request, however it came: who may send it, and whose pipeline takes it.

A tenant is a product of Greenflash with the API key it is delivered with. A span goes to the product that
its resource names (``greenflash.product_id``), else to the one that the request names, else to the one that
the request's token belongs to, else to the gateway's own.
"""

from __future__ import annotations

import hmac
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway.responses import (
    FORBIDDEN,
    MALFORMED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    RefusedError,
    write_response,
)
from greenflash_otel.gateway.signals import Records, Signal, Taker

PRODUCT_ATTRIBUTE = "greenflash.product_id"
"""Of a resource: whose product its spans belong to."""
PRODUCT_HEADER = "x-greenflash-product-id"
"""Of a request: whose product those of its spans belong to that do not say it themselves."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A product, and who may send for it."""

    product_id: str
    taker: Taker
    tokens: Sequence[str] = ()
    """Bearer tokens that are good for it alone; its API key is one. None: whoever may send at all."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a request says of itself, besides its body."""

    authorization: str = ""
    product_id: str = ""
    is_trusted: bool = False
    """It comes from a place that has a lock of its own, e.g. Kafka."""


class Desk:
    """Takes requests for tenants. Thread-safe.

    Args:
        tenants: The first is the gateway's own, unless ``owned`` is False.
        tokens: Bearer tokens that are good for every tenant.
    """

    def __init__(
        self,
        tenants: Sequence[Tenant],
        *,
        owned: bool = True,
        tokens: Iterable[str] = (),
    ) -> None:
        self._tenants = {tenant.product_id.lower(): tenant for tenant in tenants}
        self._own = tenants[0] if owned else None
        self._tokens = tuple(tokens)
        self.is_stopping: Callable[[], bool] = lambda: False
        """Asked before each request is taken; set by the server that this desk is for."""
        self._unused: Counter[str] = Counter()
        self._lock = threading.Lock()

    def admit(self, given: Given) -> Sequence[Tenant]:
        """The tenants that a request may send for. Raises `RefusedError` if there is none, or on a stop."""
        if self.is_stopping():
            raise RefusedError(UNAVAILABLE, "the gateway is about to stop")
        token = _token(given.authorization)
        tenants = self._tenants.values()
        admitted = [one for one in tenants if given.is_trusted or self._is_good_for(token, one)]
        if not admitted:
            raise RefusedError(UNAUTHENTICATED, "send 'Authorization: Bearer <token>'")
        named = given.product_id.lower()
        if named and named not in {tenant.product_id.lower() for tenant in admitted}:
            raise RefusedError(FORBIDDEN, f"the token is not good for the product {given.product_id}")
        return admitted

    def take(self, signal: Signal, content: bytes, given: Given, *, as_json: bool = False) -> bytes:
        """Convert and keep an unpacked request; gives the answer. Raises `RefusedError`."""
        admitted = self.admit(given)
        try:
            request = signal.read_json(content) if as_json else signal.read_protobuf(content)
        except ValueError as error:
            raise RefusedError(MALFORMED, f"the body is {error}") from None
        parts, strangers = self._sorted_out(request, admitted, given)
        kept = False
        with internal_errors.guarded("take a request"):
            kept = all(signal.take(tenant.taker, records) for tenant, records in parts)
        if not kept:
            raise RefusedError(UNAVAILABLE, "cannot be kept at present")
        self.count("log records of no span", request.unused)
        self.count("for a product that is not known here", strangers)
        rejected = request.rejected + strangers
        message = f"{rejected} have no usable trace or span id, or name a product that is not known here"
        return write_response(signal.response, signal.records, rejected, message, as_json=as_json)

    def stats(self) -> Mapping[str, Stats]:
        """What became of everything, by product."""
        return {tenant.product_id: tenant.taker.stats() for tenant in self._tenants.values()}

    def count(self, reason: str, number: int) -> None:
        """Note what was taken and tells nothing."""
        if number:
            with self._lock:
                self._unused[reason] += number

    def unused(self) -> Mapping[str, int]:
        """What was taken and tells nothing, by reason."""
        with self._lock:
            return dict(self._unused)

    def _is_good_for(self, token: bytes, tenant: Tenant) -> bool:
        wanted = (*self._tokens, *tenant.tokens)
        matches = [hmac.compare_digest(token, one.encode()) for one in wanted]
        return not wanted or any(matches)

    def _sorted_out(
        self, request: Records, admitted: Sequence[Tenant], given: Given
    ) -> tuple[Sequence[tuple[Tenant, list[object]]], int]:
        """Records by tenant, and how many belong to none."""
        known = {tenant.product_id.lower(): tenant for tenant in admitted}
        otherwise = known.get(given.product_id.lower()) or self._only(admitted)
        found: dict[str, tuple[Tenant, list[object]]] = {}
        strangers = 0
        for record in request.records:
            named = record.resource.get(PRODUCT_ATTRIBUTE)
            tenant = known.get(str(named).lower()) if named else otherwise
            if tenant is None:
                strangers += 1
            else:
                found.setdefault(tenant.product_id, (tenant, []))[1].append(record)
        return list(found.values()), strangers

    def _only(self, admitted: Sequence[Tenant]) -> Tenant | None:
        if len(admitted) == 1:
            return admitted[0]
        return self._own if self._own in admitted else None


def _token(authorization: str) -> bytes:
    scheme, _, token = authorization.partition(" ")
    return token.strip().encode() if scheme.lower() == "bearer" else b""
