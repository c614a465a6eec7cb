"""A gateway in front of a local Greenflash."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT


@pytest.fixture
def pipeline(greenflash_emulator: Emulator) -> Iterator[Pipeline]:
    made = Pipeline(Settings(PRODUCT, api_key="gf_test", base_url=greenflash_emulator.base_url))
    yield made
    made.shutdown(5)


@pytest.fixture
def gateway(pipeline: Pipeline) -> Iterator[Gateway]:
    with Gateway(OtlpReceiver([Tenant(PRODUCT, pipeline)]), port=0) as running:
        yield running
