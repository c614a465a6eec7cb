"""Several gateways, of which one is killed, give what one gateway gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.testing import Emulator, Hold
from tests.collector.application import Application
from tests.collector.balancer import balancer
from tests.collector.cloud_map import RESOLVER, CloudMap
from tests.collector.listener import Listener
from tests.collector.running import Server, free_port, gateway, until
from tests.collector.test_collector import TROUBLE, Ports, collector
from tests.collector.told_apart import tell_apart
from tests.gateway.test_gateway import attributes

EACH_REQUEST_ANEW = "exporters: {otlp_http/greenflash: {disable_keep_alives: true}}"
"""A connection for each request, so that the turns of a conversation go to either gateway."""
MANY = 6
"""Turns in each of five conversations: so many traces that either gateway gets some."""


@dataclass(frozen=True)
class Gateways:
    """Two of the same product, that run."""

    first: Server
    second: Server
    ports: Sequence[int]
    grpc_ports: Sequence[int]

    def both(self, name: str) -> bool:
        """Whether ``greenflash_items_…`` counts something in either."""
        texts = [httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in self.ports]
        return all(re.search(rf"^greenflash_items_{name}\S* [1-9]", text, re.MULTILINE) for text in texts)

    def stop(self) -> None:
        """Tell them to end; they deliver what they still have."""
        self.first.stop()
        self.second.stop()


@pytest.fixture
def gateways(tmp_path: Path, greenflash_emulator: Emulator) -> Iterator[Gateways]:
    """Two, each with an outbox of its own."""
    ports, grpc_ports = [free_port(), free_port()], [free_port(), free_port()]
    first, second = (
        gateway(tmp_path, greenflash_emulator.base_url, *pair, name=f"gateway-{pair[0]}")
        for pair in zip(ports, grpc_ports, strict=True)
    )
    with first, second:
        yield Gateways(first, second, ports, grpc_ports)


def test_behind_one_address(
    otelcol: Path, tmp_path: Path, gateways: Gateways, greenflash_emulator: Emulator
) -> None:
    """What one has in its outbox when it is killed goes out when it comes back; the other one goes on."""
    ports = Ports()
    with (
        balancer(ports.gateway, gateways.ports),
        collector(otelcol, tmp_path, ports, more=EACH_REQUEST_ANEW),
        Application(f"http://127.0.0.1:{ports.collector}") as application,
    ):

        def both_have_some() -> bool:
            application.take_turns()
            return gateways.both("accepted")

        until(both_have_some, "both gateways have taken something")
        greenflash_emulator.faults.next(*TROUBLE)
        application.take_turns()
        gateways.first.kill()
        application.take_turns(2)
        application.sell()
        gateways.first.start()
        gateways.second.kill()
        application.take_turns()
        gateways.second.start()
        application.truth.check(greenflash_emulator)
        gateways.stop()
        application.truth.check(greenflash_emulator)


def test_behind_the_load_balancing_exporter(
    otelcol: Path, tmp_path: Path, gateways: Gateways, greenflash_emulator: Emulator
) -> None:
    """Gateways are killed with work in their outboxes, the Collector with work for them; Greenflash fails."""
    ports = Ports()
    url = f"http://127.0.0.1:{ports.collector}"
    between = balancing(otelcol, tmp_path, ports, _static(gateways.grpc_ports))
    with between, Application(url) as application:
        apart = tell_apart(url, 8)
        apart.check(greenflash_emulator)  # the log record and the span of a trace have met in one gateway
        greenflash_emulator.faults.next(*(Hold() for _ in range(2 * len(application.talks))))
        application.take_turns(MANY)
        until(lambda: gateways.both("pending"), "both gateways have something in their outboxes")
        gateways.first.kill()
        application.take_turns()
        application.sell()
        between.kill()
        between.start()
        greenflash_emulator.faults.release()
        greenflash_emulator.faults.next(*TROUBLE)
        gateways.first.start()
        gateways.second.kill()
        application.take_turns()
        between.kill()
        gateways.second.start()
        between.start()
        application.take_turns()
        (apart | application.truth).check(greenflash_emulator)
        gateways.stop()
        (apart | application.truth).check(greenflash_emulator)


def test_a_gateway_is_taken_away(
    otelcol: Path, tmp_path: Path, gateways: Gateways, greenflash_emulator: Emulator
) -> None:
    """What waits in the Collector for a gateway that will not come back goes to another."""
    ports = Ports()
    with (
        CloudMap(gateways.grpc_ports) as cloud_map,
        balancing(otelcol, tmp_path, ports, RESOLVER, **cloud_map.environment) as between,
        Application(f"http://127.0.0.1:{ports.collector}") as application,
    ):
        application.take_turns(MANY)
        until(lambda: gateways.both("accepted"), "both gateways have taken something")
        application.truth.check(greenflash_emulator)
        gateways.second.kill()
        application.take_turns(MANY)
        until(lambda: "Will retry the request" in between.log.read_text(), "the Collector has tried in vain")
        cloud_map.ports = cloud_map.ports[:1]
        application.truth.check(greenflash_emulator)


def _static(ports: Sequence[int]) -> str:
    return f"static: {{hostnames: {[f'127.0.0.1:{port}' for port in ports]}}}"


def balancing(
    program: Path, folder: Path, ports: Ports, resolver: str, routing: str = "", **environment: str
) -> Server:
    """A Collector with the load-balancing exporter, as it is documented but for what finds the gateways."""
    more = f"exporters: {{loadbalancing/greenflash: {{resolver: {{dns: null, {resolver}}}, {routing}}}}}"
    environment["GREENFLASH_GATEWAYS"] = ""
    return collector(program, folder, ports, "otelcol-balancing.yaml", more, **environment)


ROUTING: dict[str, Callable[[SpanRecord], object]] = {
    "routing_key: traceID": lambda span: span.trace_id,
    "routing_key: service": lambda span: span.resource.get("service.name"),
    "routing_key: attributes, routing_attributes: [gen_ai.conversation.id]": (
        lambda span: span.attributes.get("gen_ai.conversation.id")  # None: all that name no conversation
    ),
}
"""What the spans that stay together have in common."""


@pytest.mark.parametrize("routing", ROUTING)
def test_what_stays_together(routing: str, otelcol: Path, tmp_path: Path) -> None:
    """Spans that come one by one go to the gateway that has their like."""
    ports, key = Ports(), ROUTING[routing]
    with Listener() as one, Listener() as other:
        resolver = _static([one.port, other.port])
        with balancing(otelcol, tmp_path, ports, resolver, routing):
            for number in range(3):
                request = {"resourceSpans": [_span(trace, number) for trace in range(1, 121)]}
                httpx.post(f"http://127.0.0.1:{ports.collector}/v1/traces", json=request).raise_for_status()
            until(lambda: len(one.spans) + len(other.spans) == 360, "all spans")
    keys = {key(span) for span in one.spans}, {key(span) for span in other.spans}
    assert all(keys)
    assert keys[0].isdisjoint(keys[1])


def _span(trace: int, number: int) -> dict[str, object]:
    """One of three of a trace, one trace of three of a conversation, if it has one, and of a service."""
    named = {"gen_ai.conversation.id": f"chat-{trace % 40}"} if trace % 4 else {}
    span = {"traceId": f"{trace:032x}", "spanId": f"{number + 1:016x}", "attributes": attributes(named)}
    resource = {"attributes": attributes({"service.name": f"service-{trace % 30}"})}
    return {"resource": resource, "scopeSpans": [{"spans": [span]}]}
