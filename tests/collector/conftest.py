"""The Collectors, as `make collector` builds OpenTelemetry's and PyPI has rotel; Node, and Kafka.

Where one is missing its tests are passed over, with the reason; in CI that is a failure.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.collector.broker import broker
from tests.collector.running import Server
from tests.collector.truth import Truth
from tests.conftest import missing

NODE = Path(__file__).parent / "node"
KAFKA = Path(__file__).parents[2] / ".kafka"
BUILT = Path(__file__).parents[2] / ".collector" / "otelcol"


@pytest.fixture(scope="session")
def otelcol() -> Path:
    """The OpenTelemetry Collector."""
    if not BUILT.exists():
        missing("there is no OpenTelemetry Collector: `make collector` builds it, with Go")
    return BUILT


@pytest.fixture(scope="session")
def rotel() -> Path:
    """Rotel's program."""
    found = find_spec("rotel")
    if found is None or found.origin is None:
        missing("rotel is not installed")
    program = Path(found.origin).with_name("rotel-agent")
    if subprocess.run([program, "--version"], capture_output=True, check=False).returncode:
        missing("rotel does not run here; it needs libpython3.11")
    return program


@pytest.fixture(scope="session")
def node() -> Callable[..., Truth]:
    """Runs the application in JavaScript against a Collector; gives what was said in it."""
    program = shutil.which("node")
    if program is None or not (NODE / "node_modules").exists():
        missing("there is no Node, or `make node` has not fetched what its application needs")

    def run(url: str, prefix: str, turns: int) -> Truth:
        done = subprocess.run(
            [str(program), NODE / "application.mjs", prefix, str(turns)],
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": url},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return Truth(**json.loads(done.stdout))

    return run


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """A Kafka of one node, with topics of four partitions; where it is, and the process."""
    java = shutil.which("java")
    if java is None or not (KAFKA / ".ready").exists():
        missing("there is no Java, or `make kafka` has not fetched Kafka")
    with broker(Path(java), KAFKA, tmp_path_factory.mktemp("kafka")) as running:
        yield running
