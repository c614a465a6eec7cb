"""Two gateways behind one address, of which one is killed, give what one gateway gives."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from greenflash_otel.testing import Emulator
from tests.collector.application import Application
from tests.collector.balancer import balancer
from tests.collector.running import free_port, gateway, until
from tests.collector.test_collector import TROUBLE, Ports, collector

EACH_REQUEST_ANEW = "exporters: {otlp_http/greenflash: {disable_keep_alives: true}}"
"""A connection for each request, so that the turns of a conversation go to either gateway."""


def test_two_gateways(otelcol: Path, tmp_path: Path, greenflash_emulator: Emulator) -> None:
    """What one has in its outbox when it is killed goes out when it comes back; the other one goes on."""
    ports = Ports()
    url = greenflash_emulator.base_url
    numbers = [free_port(), free_port()]
    first, second = (
        gateway(tmp_path, url, number, free_port(), name=f"gateway-{number}") for number in numbers
    )
    between = collector(otelcol, tmp_path, ports, more=EACH_REQUEST_ANEW)
    with (
        first,
        second,
        balancer(ports.gateway, numbers),
        between,
        Application(f"http://127.0.0.1:{ports.collector}") as application,
    ):

        def both_have_some() -> bool:
            application.take_turns()
            return all(map(_accepted, numbers))

        until(both_have_some, "both gateways have taken something")
        greenflash_emulator.faults.next(*TROUBLE)
        application.take_turns()
        first.kill()
        application.take_turns(2)
        application.sell()
        first.start()
        second.kill()
        application.take_turns()
        second.start()
        application.truth.check(greenflash_emulator)
        first.stop()
        second.stop()
        application.truth.check(greenflash_emulator)


def _accepted(port: int) -> int:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return int(re.findall(r"^greenflash_items_accepted_total\S* (\d+)$", text, re.MULTILINE)[0])
