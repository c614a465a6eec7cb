"""What OpenTelemetry finds of us by name."""

from __future__ import annotations

from importlib.metadata import entry_points

import greenflash_otel as greenflash


def test_the_exporter() -> None:
    """``OTEL_TRACES_EXPORTER=greenflash`` leads to the exporter, which is set up by the environment."""
    (found,) = entry_points(group="opentelemetry_traces_exporter", name="greenflash")
    assert found.load() is greenflash.GreenflashSpanExporter
