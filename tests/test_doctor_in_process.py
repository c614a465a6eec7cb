"""``doctor()`` inside an application: it knows what `instrument()` was told, and changes nothing."""

from __future__ import annotations

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.cli.test_doctor import KEY, PRODUCTS, serving
from tests.conftest import PRODUCT


def _states(checkup: greenflash.Checkup) -> dict[str, str]:
    return {finding.id: finding.state for finding in checkup.findings if finding.id != "capture.others"}


def test_all_is_well(greenflash_emulator: Emulator) -> None:
    """By the arguments, without a variable; printed, every finding is a line."""
    greenflash.instrument(
        api_key=KEY, product_id=PRODUCT, base_url=greenflash_emulator.base_url, outbox=":memory:"
    )
    before = len(greenflash_emulator.requests())
    checkup = greenflash.doctor()
    assert checkup.is_ok
    assert set(_states(checkup).values()) == {"ok"}
    assert str(checkup).splitlines()[0] == (
        "ok    capture.instrumented instrument() was called with export='greenflash'"
    )
    assert KEY not in str(checkup)
    assert len(greenflash_emulator.requests()) == before


def test_without_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is the first thing it says; the environment is checked all the same."""
    monkeypatch.setenv("GREENFLASH_OUTBOX", ":memory:")
    with serving(200, PRODUCTS) as url:
        monkeypatch.setenv("GREENFLASH_BASE_URL", url)
        checkup = greenflash.doctor()
    assert not checkup.is_ok
    assert checkup.findings[0].id == "capture.instrumented"
    assert "greenflash.instrument()" in checkup.findings[0].next_step
    assert _states(checkup)["settings.product"] == "fail"


def test_a_key_that_is_refused() -> None:
    """It fails, and nothing is raised."""
    with serving(401, '{"message": "no"}') as url:
        greenflash.instrument(api_key=KEY, product_id=PRODUCT, base_url=url, outbox=":memory:", frameworks=())
        states = _states(greenflash.doctor())
        greenflash.shutdown(0)
    assert states["api.key"] == "fail"
