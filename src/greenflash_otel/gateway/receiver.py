"""Decide about a request of any transport: who may send it, and which pipeline gets it.

A tenant is a product of Greenflash with the API key it is delivered with. A span goes to the first product that
there is of these four:

1. the one that its resource names (``greenflash.product_id``);
2. the one that the request names;
3. the one that the request's token belongs to;
4. the gateway's own.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway.encoding import Content
from greenflash_otel.gateway.limits import ContentLimits, TooLargeError
from greenflash_otel.gateway.otlp_values import explain_rejected
from greenflash_otel.gateway.responses import (
    FORBIDDEN,
    MALFORMED,
    TOO_LARGE,
    UNAUTHENTICATED,
    UNAVAILABLE,
    RefusedError,
    write_response,
)
from greenflash_otel.gateway.signals import OtlpSink, Records, Signal

PRODUCT_ATTRIBUTE = "greenflash.product_id"
"""Of a resource: the product that its spans belong to."""
PRODUCT_HEADER = "x-greenflash-product-id"
"""Of a request: the product of those spans that do not name one themselves."""
UNKNOWN_PRODUCT = "unknown_product"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A product, and who may send for it."""

    product_id: str
    sink: OtlpSink
    tokens: Sequence[str] = ()
    """Bearer tokens that are good for it alone; its API key is one. None: anybody who may send at all."""


@dataclass(frozen=True, slots=True)
class RequestMetadata:
    """What is known of a request before its body is read."""

    authorization: str = ""
    product_id: str = ""
    peer: str = ""
    """The address it comes from."""
    is_trusted: bool = False
    """It comes from a place that has a lock of its own, e.g. Kafka."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a sender may do."""

    tenants: Sequence[Tenant]
    """Whom it may send for."""
    sender: str
    """Whose share of the gateway it uses: its token's, or its address's where no token is asked for."""


class OtlpReceiver:
    """Takes requests for tenants. Thread-safe.

    Args:
        tenants: The first is the gateway's own, unless ``owned`` is False.
        tokens: Bearer tokens that are good for every tenant.
        limits: What one request may contain.
    """

    def __init__(
        self,
        tenants: Sequence[Tenant],
        *,
        owned: bool = True,
        tokens: Iterable[str] = (),
        limits: ContentLimits | None = None,
    ) -> None:
        self._tenants = {tenant.product_id.lower(): tenant for tenant in tenants}
        self._own = tenants[0] if owned else None
        self._tokens = tuple(tokens)
        self.limits = limits or ContentLimits()
        self.is_stopping: Callable[[], bool] = lambda: False
        """Asked before each request is taken; set by the server that this receiver is for."""
        self._unused: Counter[str] = Counter()
        self._lock = threading.Lock()

    def admit(self, metadata: RequestMetadata) -> Admission:
        """Return what a request may do, before its body is read. Raises `RefusedError`."""
        if self.is_stopping():
            raise RefusedError(UNAVAILABLE, "the gateway is about to stop")
        token = _read_token(metadata.authorization)
        tenants = [
            tenant
            for tenant in self._tenants.values()
            if metadata.is_trusted or self._is_good_for(token, tenant)
        ]
        if not tenants:
            raise RefusedError(UNAUTHENTICATED, "send 'Authorization: Bearer <token>'")
        named = metadata.product_id.lower()
        if named and named not in {tenant.product_id.lower() for tenant in tenants}:
            raise RefusedError(FORBIDDEN, f"the token is not good for the product {metadata.product_id}")
        _require_disk(tenants, any)
        is_known = any(map(self._read_tokens, tenants)) and token
        return Admission(tenants, token.decode(errors="replace") if is_known else metadata.peer)

    def take(
        self, signal: Signal, content: Content, metadata: RequestMetadata, *, as_json: bool = False
    ) -> bytes:
        """Convert and keep an unpacked request; return the answer. Raises `RefusedError`."""
        admitted = self.admit(metadata).tenants
        request = self._read(signal, content, as_json=as_json)
        parts, unknown_product_count = self._sort(request, admitted, metadata)
        failed = self._keep(signal, parts)
        self.count("log records of no span", request.unused)
        self.count("for a product that is not known here", unknown_product_count)
        for reason, number in request.rejected.items():
            internal_errors.count_lost(reason, number)
        internal_errors.count_repaired(request.repaired)
        rejected = Counter(request.rejected) + failed + Counter({UNKNOWN_PRODUCT: unknown_product_count})
        number, message = sum(rejected.values()), explain_rejected(rejected)
        return write_response(signal.response, signal.records, number, message, as_json=as_json)

    def stats(self) -> Mapping[str, Stats]:
        """Return what became of everything, by product."""
        return {tenant.product_id: tenant.sink.own_stats() for tenant in self._tenants.values()}

    def list_visible_products(self, metadata: RequestMetadata) -> Sequence[str]:
        """Return the products whose counts a request may see one by one: those that it may send for."""
        token = _read_token(metadata.authorization)
        return [tenant.product_id for tenant in self._tenants.values() if self._is_good_for(token, tenant)]

    def is_durable(self) -> bool:
        """Return whether anything can be stored on disk."""
        return any(tenant.sink.is_durable() for tenant in self._tenants.values())

    def count(self, reason: str, number: int) -> None:
        """Note what was taken and says nothing."""
        if number:
            with self._lock:
                self._unused[reason] += number

    def count_unused(self) -> Mapping[str, int]:
        """Return what was taken and says nothing, by reason."""
        with self._lock:
            return dict(self._unused)

    def _read_tokens(self, tenant: Tenant) -> Sequence[str]:
        return (*self._tokens, *tenant.tokens)

    def _is_good_for(self, token: bytes, tenant: Tenant) -> bool:
        wanted = self._read_tokens(tenant)
        matches = [hmac.compare_digest(token, accepted.encode()) for accepted in wanted]
        return not wanted or any(matches)

    def _read(self, signal: Signal, content: Content, *, as_json: bool) -> Records:
        read = signal.read_json if as_json else signal.read_protobuf
        try:
            return read(content, self.limits, time.time_ns())
        except TooLargeError as error:
            raise RefusedError(TOO_LARGE, f"the body is {error}") from None
        except ValueError as error:
            raise RefusedError(MALFORMED, f"the body is {error}") from None

    def _keep(self, signal: Signal, parts: Sequence[tuple[Tenant, list[object]]]) -> Counter[str]:
        """Keep records on disk; return how many could not be converted, by reason. Raises `RefusedError`."""
        tenants, failed, retained = [tenant for tenant, _ in parts], Counter[str](), False
        _require_disk(tenants, all)
        with internal_errors.guarded("take a request"):
            retained = all(signal.take(tenant.sink, records, failed) for tenant, records in parts)
        if not retained:
            raise RefusedError(UNAVAILABLE, "cannot be stored at present")
        _require_disk(tenants, all)  # the disk may have gone meanwhile
        return failed

    def _sort(
        self, request: Records, admitted: Sequence[Tenant], metadata: RequestMetadata
    ) -> tuple[Sequence[tuple[Tenant, list[object]]], int]:
        """Return records by tenant, and how many belong to none."""
        by_product = {tenant.product_id.lower(): tenant for tenant in admitted}
        otherwise = by_product.get(metadata.product_id.lower()) or self._get_only_tenant(admitted)
        by_tenant: dict[str, tuple[Tenant, list[object]]] = {}
        unknown_product_count = 0
        for record in request.records:
            named = record.resource.get(PRODUCT_ATTRIBUTE)
            tenant = by_product.get(str(named).lower()) if named else otherwise
            if tenant is None:
                unknown_product_count += 1
            else:
                by_tenant.setdefault(tenant.product_id, (tenant, []))[1].append(record)
        return list(by_tenant.values()), unknown_product_count

    def _get_only_tenant(self, admitted: Sequence[Tenant]) -> Tenant | None:
        if len(admitted) == 1:
            return admitted[0]
        return self._own if self._own in admitted else None


def _require_disk(tenants: Sequence[Tenant], enough: Callable[[Iterable[object]], bool]) -> None:
    """Raise `RefusedError` unless enough of the tenants keep what they take on disk."""
    if tenants and not enough(tenant.sink.is_durable() for tenant in tenants):
        raise RefusedError(UNAVAILABLE, "the outbox cannot be opened on disk at present")


def _read_token(authorization: str) -> bytes:
    scheme, _, token = authorization.partition(" ")
    return token.strip().encode() if scheme.lower() == "bearer" else b""
