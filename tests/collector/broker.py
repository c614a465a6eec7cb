"""A Kafka of one node."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.collector.running import Server, free_port, until

PARTITIONS = 4
CONFIGURATION = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
num.partitions={partitions}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""


@contextmanager
def broker(java: Path, libraries: Path, folder: Path) -> Iterator[tuple[str, Server]]:
    """Run it; gives its address once it answers, and the process."""
    port, controller = free_port(), free_port()
    configuration = folder / "server.properties"
    configuration.write_text(
        CONFIGURATION.format(port=port, controller=controller, folder=folder, partitions=PARTITIONS)
    )
    command: list[str | Path] = [java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*"]
    formatting: list[str | Path] = [
        "kafka.tools.StorageTool",
        "format",
        "-t",
        "AAAAAAAAAAAAAAAAAAAAAQ",
        "-c",
        configuration,
    ]
    subprocess.run([*command, *formatting], check=True, capture_output=True)
    with Server([*command, "kafka.Kafka", configuration], folder / "kafka.log", port) as server:
        address = f"127.0.0.1:{port}"
        admin: Any = import_module("confluent_kafka.admin").AdminClient({"bootstrap.servers": address})
        until(lambda: bool(admin.list_topics(timeout=10).brokers), "Kafka answers")
        yield address, server


def make_topics(address: str, *names: str) -> None:
    """Topics that nobody has written to."""
    library: Any = import_module("confluent_kafka.admin")
    admin = library.AdminClient({"bootstrap.servers": address})
    made = admin.create_topics([library.NewTopic(name, PARTITIONS) for name in names])
    for future in made.values():
        future.result(10)


def committed(address: str, group: str, topic: str) -> tuple[int, int]:
    """Up to which offsets a group has committed, and up to which there is something; over all partitions."""
    library: Any = import_module("confluent_kafka")
    consumer = library.Consumer({"bootstrap.servers": address, "group.id": group})
    places = [library.TopicPartition(topic, number) for number in range(PARTITIONS)]
    reached = sum(max(entry.offset, 0) for entry in consumer.committed(places, timeout=10))
    written = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    consumer.close()
    return reached, written
