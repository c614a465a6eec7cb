"""An application, a real Collector, a gateway, and Greenflash: nothing is lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from greenflash_otel.testing import Emulator, FaultReply
from tests.collector.application import Application
from tests.collector.recipes import recipes
from tests.collector.running import TOKEN, Server, free_port, gateway, until
from tests.collector.told_apart import tell_apart
from tests.collector.truth import Truth

EXPORTERS = {
    "otelcol.yaml": "otlp_http",
    "otelcol-grpc.yaml": "otlp_grpc",
    "otelcol-balancing.yaml": "loadbalancing",
    "otelcol-kafka.yaml": "kafka",
}
HERE = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}
extensions: {{file_storage: {{directory: "{folder}"}}}}
exporters:
  {exporter}/greenflash: {{retry_on_failure: {{initial_interval: 100ms, max_interval: 1s}}}}
service: {{telemetry: {{metrics: {{level: none}}}}}}
"""
"""What of the documented configuration is different on this machine: its addresses, and its hurry."""


@dataclass(frozen=True)
class Ports:
    """Where the Collector and the gateway listen, also after a restart."""

    collector: int = field(default_factory=free_port)
    gateway: int = field(default_factory=free_port)
    gateway_grpc: int = field(default_factory=free_port)


def collector(
    program: Path,
    folder: Path,
    ports: Ports,
    recipe: str = "otelcol.yaml",
    more: str = "",
    **environment: str,
) -> Server:
    """The OpenTelemetry Collector as the documentation configures it, and ``more`` of YAML."""
    configuration, here = folder / recipe, folder / "here.yaml"
    configuration.write_text(recipes()[recipe])
    grpc = free_port()
    own = {"grpc": grpc, "http": ports.collector, "folder": folder / "queue", "exporter": EXPORTERS[recipe]}
    here.write_text(HERE.format(**own))
    http = f"http://127.0.0.1:{ports.gateway}"
    variables = {
        **environment,
        "GREENFLASH_GATEWAY": http if recipe == "otelcol.yaml" else f"127.0.0.1:{ports.gateway_grpc}",
        "GREENFLASH_GATEWAY_TOKEN": TOKEN,
    }
    command: list[str | Path] = [program, f"--config={configuration}", f"--config={here}"]
    command += [f"--config=yaml:{more}"] if more else []
    log, ready = folder / "otelcol.log", b"Everything is ready"  # it listens before its queues are there
    return Server(command, log, ports.collector, grpc, environment=variables, ready=ready)


def rotel_collector(program: Path, folder: Path, ports: Ports) -> Server:
    """Rotel, which tries again but keeps nothing on disk."""
    options = {
        "--otlp-grpc-endpoint": f"127.0.0.1:{free_port()}",
        "--otlp-http-endpoint": f"127.0.0.1:{ports.collector}",
        "--exporter": "otlp",
        "--otlp-exporter-protocol": "http",
        "--otlp-exporter-endpoint": f"http://127.0.0.1:{ports.gateway}",
        "--otlp-exporter-custom-headers": f"Authorization=Bearer {TOKEN}",
        "--log-file": folder / "agent.log",
        "--pid-file": folder / "agent.pid",
        "--batch-timeout": "100ms",
    }
    words = [str(word) for pair in options.items() for word in pair]
    return Server([program, "start", *words], folder / "rotel.log", ports.collector)


TROUBLE = [
    FaultReply(503),
    FaultReply(429, {"retry-after": "1"}),
    FaultReply(500, after_commit=True),
    FaultReply(502),
]
"""Of Greenflash; one of them says no to what it has taken."""


@pytest.mark.parametrize("recipe", ["otelcol.yaml", "otelcol-grpc.yaml"])
def test_everything_fails_once(
    recipe: str, otelcol: Path, tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """The gateway is away, then the Collector is killed with a full queue, Greenflash fails, and again."""
    ports = Ports()
    running = gateway(tmp_path, greenflash_emulator.base_url, ports.gateway, ports.gateway_grpc)
    between = collector(otelcol, tmp_path, ports, recipe)
    with running, between, Application(f"http://127.0.0.1:{ports.collector}") as application:
        application.take_turns()
        running.kill()
        application.take_turns(2)
        application.sell()
        between.kill()
        between.start()
        application.take_turns()
        greenflash_emulator.faults.next(*TROUBLE)
        running.start()
        application.take_turns(2)
        running.kill()  # while it delivers
        application.take_turns()
        between.kill()
        running.start()
        between.start()
        application.take_turns()
        application.truth.check(greenflash_emulator)
        running.stop()  # once it has delivered the rest: repeats that add nothing
        application.truth.check(greenflash_emulator)


def test_another_language(
    otelcol: Path, node: Callable[..., Truth], tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """JavaScript with the AI SDK beside Python, and one that logs; the gateway is away for a while."""
    ports = Ports()
    url = f"http://127.0.0.1:{ports.collector}"
    running = gateway(tmp_path, greenflash_emulator.base_url, ports.gateway, ports.gateway_grpc)
    with running, collector(otelcol, tmp_path, ports), Application(url, conversations=2) as application:
        truth = node(url, "before", 3)
        application.take_turns()
        running.kill()
        truth |= node(url, "meanwhile", 2) | tell_apart(url)
        application.take_turns()
        running.start()
        (truth | application.truth).check(greenflash_emulator)
        check_described(greenflash_emulator, list(truth.talks))


def check_described(emulator: Emulator, prefixes: list[str]) -> None:
    """What the application in JavaScript says in spans of users, organizations and ratings."""
    ids = [id for id in prefixes if id.startswith(("before", "meanwhile"))]
    assert ids
    until(lambda: all(emulator.conversation(id).ratings for id in ids), "all ratings")
    assert [[one.rating for one in emulator.conversation(id).ratings] for id in ids] == [[1.0]] * len(ids)
    until(lambda: len([one for one in emulator.users() if one.name]) == len(ids), "all users")
    until(lambda: len([one for one in emulator.organizations() if one.name]) == len(ids), "all organizations")
    named = {
        (one.external_id, one.name, one.properties["plan"], one.external_organization_id)
        for one in emulator.users()
        if one.name
    }
    assert named == {(f"ada of {id}", "Ada", "pro", f"acme of {id}") for id in ids}


def test_another_collector(rotel: Path, tmp_path: Path, greenflash_emulator: Emulator) -> None:
    """Rotel has no queue on disk: it stays, while the gateway is killed and Greenflash fails."""
    ports = Ports()
    running = gateway(tmp_path, greenflash_emulator.base_url, ports.gateway, ports.gateway_grpc)
    with (
        running,
        rotel_collector(rotel, tmp_path, ports),
        Application(f"http://127.0.0.1:{ports.collector}") as application,
    ):
        application.take_turns()
        running.kill()
        application.take_turns()
        greenflash_emulator.faults.next(*TROUBLE)
        running.start()
        application.take_turns(2)
        application.sell()
        application.truth.check(greenflash_emulator)
        running.stop()
        application.truth.check(greenflash_emulator)
