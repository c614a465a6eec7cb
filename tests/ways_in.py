"""The three ways in, for what the application's own code records: each delivers it to a local Greenflash."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

import greenflash_otel as greenflash
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_runtime import start


def send_in_one_line(emulator: Emulator, act: Callable[[], object]) -> None:
    """Record with `instrument()`."""
    start(emulator)
    act()
    assert greenflash.flush(10)


def send_to_an_exporter(emulator: Emulator, act: Callable[[], object]) -> None:
    """Record with an exporter of ours and nothing else."""
    exporter = greenflash.GreenflashSpanExporter(
        api_key="gf_test", product_id=PRODUCT, base_url=emulator.base_url, outbox=":memory:"
    )
    act()
    assert greenflash.flush(10)
    exporter.shutdown()


def send_to_a_collector(emulator: Emulator, act: Callable[[], object]) -> None:
    """Record in a process that exports to a gateway."""
    pipeline = Pipeline(Settings(PRODUCT, api_key="gf_test", base_url=emulator.base_url))
    with (
        Gateway(OtlpReceiver([Tenant(PRODUCT, pipeline)]), port=0, grpc_port=0) as gateway,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gateway.url)
        greenflash.instrument(export="otlp", product_id=PRODUCT)
        act()
        greenflash.shutdown()
        assert pipeline.flush(10)
    pipeline.shutdown(5)


WAYS = pytest.mark.parametrize("way", [send_in_one_line, send_to_an_exporter, send_to_a_collector])
"""For tests of what the application's own code records."""
Way: TypeAlias = Callable[[Emulator, Callable[[], object]], None]
