"""The configurations of the documentation are ones that the real Collector takes."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.collector.recipes import recipes

BUILDER = Path(__file__).parent / "builder.yaml"
COLLECTORS = sorted(name for name in recipes() if name.startswith("otelcol"))
yaml: Any = import_module("yaml")  # has no types
ENVIRONMENT = {
    "KAFKA": "127.0.0.1:9092",
    "GREENFLASH_GATEWAY": "http://127.0.0.1:4318",
    "GREENFLASH_GATEWAYS": "gateways",
    "GREENFLASH_GATEWAY_TOKEN": "token",
}


@pytest.mark.parametrize("name", COLLECTORS)
def test_the_collector_takes_it(name: str, otelcol: Path, tmp_path: Path) -> None:
    """As it is printed, but for the folder that only root can make."""
    path = tmp_path / name
    path.write_text(recipes()[name].replace("/var/lib/otelcol", str(tmp_path)))
    command = [str(otelcol), "validate", f"--config={path}"]
    checked = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", COLLECTORS)
def test_it_loses_nothing(name: str) -> None:
    """Every exporter's queue is on disk, none gives up, and nothing is gathered in memory."""
    recipe = yaml.safe_load(recipes()[name])
    [exporter] = recipe["exporters"].values()
    assert exporter["sending_queue"]["storage"] == "file_storage"
    assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
    assert recipe["extensions"]["file_storage"]["fsync"]
    assert "processors" not in recipe


def test_the_balancer_hands_on_only_what_it_keeps() -> None:
    """Its exporters to each gateway keep nothing: the queue on disk forgets only what was acknowledged."""
    [balancer] = yaml.safe_load(recipes()["otelcol-balancing.yaml"])["exporters"].values()
    inner = balancer["protocol"]["otlp"]
    assert not inner["sending_queue"]["enabled"]
    assert not inner["retry_on_failure"]["enabled"]
    assert balancer["retry_on_failure"]["enabled"]


def test_each_module_is_named_with_its_hash() -> None:
    """What the builder's file names is what go.mod names: `make collector` resolves nothing anew."""
    named = re.findall(r"gomod: (\S+ \S+)", BUILDER.read_text())
    pinned, hashes = (BUILDER.with_name(name).read_text() for name in ("go.mod", "go.sum"))
    assert [call for call in named if f"\t{call}\n" not in pinned or f"{call} h1:" not in hashes] == []
