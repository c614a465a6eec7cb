"""Kafka between the Collector and two gateways, one of which is killed."""

from __future__ import annotations

from pathlib import Path

from greenflash_otel.testing import Emulator
from tests.collector.application import Application
from tests.collector.broker import committed, make_topics
from tests.collector.running import Server, free_port, gateway, until
from tests.collector.test_collector import TROUBLE, Ports, collector
from tests.collector.told_apart import tell_apart

GROUP = "greenflash"


def reader(folder: Path, base_url: str, kafka: str, name: str) -> Server:
    """A gateway that reads from Kafka."""
    config = folder / "kafka.properties"
    config.write_text("# for a quick test\nsession.timeout.ms=2000\nheartbeat.interval.ms=500\n")
    options = ["--kafka", kafka, "--kafka-group", GROUP, "--kafka-config", str(config)]
    return gateway(folder, base_url, free_port(), free_port(), *options, name=name)


def test_one_of_two_gateways_is_killed(
    otelcol: Path, kafka: str, tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """The other one takes over; what is in the outbox of the first goes out when that comes back."""
    make_topics(kafka, "otlp_spans", "otlp_logs")
    ports = Ports()
    first, second = (reader(tmp_path, greenflash_emulator.base_url, kafka, name) for name in ("one", "two"))
    with (
        first,
        second,
        collector(otelcol, tmp_path, ports, "otelcol-kafka.yaml", KAFKA=kafka),
        Application(f"http://127.0.0.1:{ports.collector}") as application,
    ):
        apart = tell_apart(f"http://127.0.0.1:{ports.collector}")
        application.take_turns(2)
        greenflash_emulator.faults.next(*TROUBLE)
        application.take_turns(2)
        first.kill()
        application.take_turns()
        application.sell()
        application.take_turns()
        until(lambda: _all_read(kafka), "everything is read and committed")
        first.start()
        (apart | application.truth).check(greenflash_emulator)
        first.stop()
        second.stop()
        (apart | application.truth).check(greenflash_emulator)


def _all_read(kafka: str) -> bool:
    reached, written = committed(kafka, GROUP, "otlp_spans")
    return reached == written > 0
