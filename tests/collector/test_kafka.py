"""Kafka between the Collector and two gateways, one of which is killed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from greenflash_otel.testing import Emulator
from tests.collector.application import Application
from tests.collector.broker import committed, make_topics
from tests.collector.running import Server, free_port, gateway, until
from tests.collector.test_collector import TROUBLE, Ports, collector
from tests.collector.told_apart import tell_apart

confluent_kafka: Any = import_module("confluent_kafka")  # has no types
GROUP = "greenflash"


def reader(folder: Path, base_url: str, kafka: str, name: str) -> Server:
    """A gateway that reads from Kafka."""
    config = folder / "kafka.properties"
    config.write_text("# for a quick test\nsession.timeout.ms=2000\nheartbeat.interval.ms=500\n")
    options = ["--kafka", kafka, "--kafka-group", GROUP, "--kafka-config", str(config)]
    return gateway(folder, base_url, free_port(), free_port(), *options, name=name)


def test_one_of_two_gateways_is_killed_and_kafka_too(
    otelcol: Path, kafka: tuple[str, Server], tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """The other one takes over; what is in the outbox of the first goes out when that comes back."""
    address, broker = kafka
    make_topics(address, "otlp_spans", "otlp_logs")
    ports = Ports()
    first, second = (reader(tmp_path, greenflash_emulator.base_url, address, name) for name in ("one", "two"))
    with (
        first,
        second,
        collector(otelcol, tmp_path, ports, "otelcol-kafka.yaml", KAFKA=address),
        Application(f"http://127.0.0.1:{ports.collector}") as application,
    ):
        apart = tell_apart(f"http://127.0.0.1:{ports.collector}")
        apart.check(greenflash_emulator)  # what waits for its other half is in memory only
        application.take_turns(2)
        greenflash_emulator.faults.next(*TROUBLE)
        application.take_turns(2)
        first.kill()
        application.take_turns()
        application.sell()
        broker.kill()
        application.take_turns()
        broker.start()
        until(lambda: _all_read(address), "everything is read and committed")
        first.start()
        (apart | application.truth).check(greenflash_emulator)
        first.stop()
        second.stop()
        (apart | application.truth).check(greenflash_emulator)


def _all_read(address: str) -> bool:
    try:
        reached, written = committed(address, GROUP, "otlp_spans")
    except confluent_kafka.KafkaException:  # it has just been started
        return False
    return reached == written > 0
