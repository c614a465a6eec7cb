"""A second `instrument()` is compared with what the first one was asked for, also where nothing is captured."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import greenflash_otel as greenflash
from greenflash_otel import runtime
from tests.conftest import PRODUCT


@pytest.mark.parametrize(
    "settings",
    [
        {"enabled": False, "frameworks": ("openai",)},
        {"enabled": False, "export": "greenflash", "product_id": PRODUCT},
        {"frameworks": ("openai",), "export": "greenflash"},
    ],
)
def test_the_same_twice_is_no_difference(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is captured, because that is switched off or because no key is set; nobody is warned of settings."""
    pipeline = greenflash.instrument(**settings)
    assert greenflash.instrument(**settings) is pipeline
    assert "was called again" not in caplog.text
    greenflash.shutdown()


def test_a_difference_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """By what was asked for."""
    caplog.set_level(logging.WARNING)
    greenflash.instrument(enabled=False, frameworks=("openai",))
    greenflash.instrument(enabled=True, product_id=PRODUCT, frameworks=("openai",))
    assert "enabled is True, and False stays" in caplog.text
    assert "frameworks" not in caplog.text


def test_what_applies_is_what_is_checked() -> None:
    """A checkup asks nobody where nothing is delivered."""
    greenflash.instrument(enabled=False, api_key="gf_test", product_id=PRODUCT)
    active = runtime.find_active_settings()
    assert active is not None
    assert (active[0].export, active[0].frameworks) == ("none", ())
