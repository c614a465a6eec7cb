"""Under pytest the default address is not contacted, and the log says so."""

from __future__ import annotations

from greenflash_otel.set_up_report import describe_delivery
from greenflash_otel.settings import MEMORY, Settings
from tests.conftest import PRODUCT

UNDER_PYTEST = {"PYTEST_VERSION": "9.2", "XDG_STATE_HOME": "/nowhere"}


def test_the_default_address_is_not_contacted() -> None:
    settings = Settings.read(UNDER_PYTEST, api_key="gf_real", product_id=PRODUCT)
    assert settings.outbox == MEMORY
    assert describe_delivery(settings).startswith("delivers nothing: pytest runs, and base_url is not set")


def test_it_is_where_that_is_allowed() -> None:
    allowed = {**UNDER_PYTEST, "GREENFLASH_ALLOW_IN_TESTS": "1"}
    settings = Settings.read(allowed, api_key="gf_real", product_id=PRODUCT)
    assert settings.offline_reason is None
    assert settings.outbox == MEMORY
    assert describe_delivery(settings).startswith("delivers to https://")
