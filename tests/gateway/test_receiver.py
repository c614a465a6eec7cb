"""Who may send for whom, and where it goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.receiver import OtlpReceiver, RequestMetadata, Tenant
from greenflash_otel.gateway.responses import FORBIDDEN, UNAUTHENTICATED, UNAVAILABLE, RefusedError
from greenflash_otel.gateway.signals import LOGS, TRACES
from greenflash_otel.gateway.tenants import TenantEntry, read_tenants
from tests.gateway.test_gateway import Taker, attributes

SHOES, HATS = "6a1d4b7e-9c51-4a57-8e9b-000000000001", "6a1d4b7e-9c51-4a57-8e9b-00000000000b"


def request(*products: str | None) -> bytes:
    """Spans named as the products their resources name, or "-"."""
    return json.dumps({"resourceSpans": [of_product(product) for product in products]}).encode()


def of_product(product: str | None) -> dict[str, Any]:
    """One of them."""
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": product or "-"}
    resource = {"attributes": attributes({"greenflash.product_id": product} if product else {})}
    return {"resource": resource, "scopeSpans": [{"spans": [span]}]}


class Shop:
    """Two tenants, each with a token of its own, and the operator's token."""

    def __init__(self, *, hats_are_kept: bool = True) -> None:
        self.takers = {SHOES: Taker(True), HATS: Taker(hats_are_kept)}
        tokens = {SHOES: ["shoes"], HATS: ["hats", "caps"]}
        tenants = [Tenant(id, taker, tokens[id]) for id, taker in self.takers.items()]
        self.receiver = OtlpReceiver(tenants, owned=False, tokens=["operator"])

    def take(self, token: str, body: bytes, header: str = "") -> tuple[list[str], list[str], int]:
        """The names of the spans that went to either, and how many were rejected."""
        answer = self.receiver.take(TRACES, body, RequestMetadata(f"Bearer {token}", header), as_json=True)
        rejected = int(json.loads(answer).get("partialSuccess", {}).get("rejectedSpans", 0))
        shoes, hats = ([span.name for span in taker.taken] for taker in self.takers.values())
        return shoes, hats, rejected


GOES: dict[str, tuple[str, str, tuple[str | None, ...], tuple[list[str], list[str], int]]] = {
    "by its token": ("shoes", "", (None, None), (["-", "-"], [], 0)),
    "by another token of its": ("caps", "", (None,), ([], ["-"], 0)),
    "by the header": ("operator", HATS, (None,), ([], ["-"], 0)),
    "by the header, in capitals": ("operator", HATS.upper(), (None,), ([], ["-"], 0)),
    "by its resource": ("operator", "", (SHOES, HATS), ([SHOES], [HATS], 0)),
    "by its resource, not the header": ("operator", HATS, (SHOES, None), ([SHOES], ["-"], 0)),
    "nowhere: nobody says where": ("operator", "", (None,), ([], [], 1)),
    "nowhere: unknown": ("operator", "", ("hm", SHOES), ([SHOES], [], 1)),
    "nowhere: somebody else's": ("shoes", "", (HATS, SHOES), ([SHOES], [], 1)),
}


@pytest.mark.parametrize("name", GOES)
def test_where_spans_go(name: str) -> None:
    """The resource counts more than the header, the header more than the token."""
    token, header, products, expected = GOES[name]
    shop = Shop()
    assert shop.take(token, request(*products), header) == expected
    unknown_product_count = expected[2]
    assert shop.receiver.count_unused() == (
        {"for a product that is not known here": unknown_product_count} if unknown_product_count else {}
    )


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (RequestMetadata(), UNAUTHENTICATED),
        (RequestMetadata("Bearer scarves"), UNAUTHENTICATED),
        (RequestMetadata("Bearer shoes", HATS), FORBIDDEN),
        (RequestMetadata("Bearer operator", "hm"), FORBIDDEN),
    ],
)
def test_who_may_not_send(given: RequestMetadata, status: object) -> None:
    """A token is good for what it was given for."""
    with pytest.raises(RefusedError) as caught:
        Shop().receiver.take(TRACES, request(SHOES), given)
    assert caught.value.status is status


def test_one_of_two_is_full() -> None:
    """All of it comes again; who has it already takes it again, which adds nothing."""
    shop = Shop(hats_are_kept=False)
    with pytest.raises(RefusedError) as caught:
        shop.take("operator", request(SHOES, HATS, "hm"))
    assert caught.value.status is UNAVAILABLE
    assert shop.receiver.count_unused() == {}  # counted when it is taken


def test_a_gateway_for_itself() -> None:
    """Without a token and without a word about the product, it takes all."""
    taker = Taker(True)
    assert (
        OtlpReceiver([Tenant(SHOES, taker)]).take(
            TRACES, request(None, SHOES), RequestMetadata(), as_json=True
        )
        == b"{}"
    )
    assert [span.name for span in taker.taken] == ["-", SHOES]


def test_log_records() -> None:
    """They go the same ways; those of no span are counted."""
    record = {"traceId": "ab" * 16, "spanId": "cd" * 8, "body": {"stringValue": "hi"}}
    resource = {"attributes": attributes({"greenflash.product_id": HATS})}
    logs = {"resource": resource, "scopeLogs": [{"logRecords": [record, {}]}]}
    shop = Shop()
    body = json.dumps({"resourceLogs": [logs]}).encode()
    assert shop.receiver.take(LOGS, body, RequestMetadata("Bearer hats"), as_json=True) == b"{}"
    assert len(shop.takers[HATS].taken) == 1
    assert shop.receiver.count_unused() == {"log records of no span": 1}
    answer = shop.receiver.take(LOGS, body, RequestMetadata("Bearer shoes"), as_json=True)
    assert json.loads(answer)["partialSuccess"]["rejectedLogRecords"] == "1"


def test_the_file_of_tenants() -> None:
    """Products with their keys, and tokens if there are some."""
    with_token = {"product_id": SHOES, "api_key": "k", "tokens": ["t"]}
    text = json.dumps([with_token, {"product_id": "b", "api_key": "l"}])
    assert read_tenants(text) == (TenantEntry(SHOES, "k", ("t",)), TenantEntry("b", "l"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '["x"]',
        '[{"product_id": "a"}]',
        '[{"product_id": "a", "api_key": ""}]',
        '[{"product_id": "a", "api_key": "k", "tokens": [1]}]',
        '[{"product_id": "a", "api_key": "k", "token": "t"}]',
        '[{"product_id": "a", "api_key": "k"}, {"product_id": "A", "api_key": "l"}]',
    ],
)
def test_a_wrong_file(text: str) -> None:
    """It is told without its keys."""
    with pytest.raises(ConfigurationError, match="file of tenants") as caught:
        read_tenants(text)
    assert '"k"' not in str(caught.value)
