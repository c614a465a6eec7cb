"""The configurations of the documentation are ones that the real Collector takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.collector.recipes import recipes

COLLECTORS = sorted(name for name in recipes() if name.startswith("otelcol"))
ENVIRONMENT = {"GREENFLASH_GATEWAY": "http://127.0.0.1:4318", "GREENFLASH_GATEWAY_TOKEN": "token"}


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
    recipe = recipes()[name]
    assert recipe.count("storage: file_storage") == recipe.count("sending_queue:") > 0
    assert recipe.count("max_elapsed_time: 0") == recipe.count("sending_queue:")
    assert "fsync: true" in recipe
    assert "processors:" not in recipe
