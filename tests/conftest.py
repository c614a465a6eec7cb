"""Fixtures for the whole suite: a local Greenflash, and a process that ends as it began."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

import greenflash_otel as greenflash
from greenflash_otel import internal_errors, runtime, standalone
from greenflash_otel.testing import Emulator

pytest_plugins = ["greenflash_otel.testing.plugin", "tests.instrumentation.openai.matrix.watching"]

PRODUCT = "6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10"


def make_environment(emulator: Emulator, outbox: Path) -> dict[str, str]:
    """Return the environment of a command of ours that delivers to a local Greenflash."""
    return {
        "PATH": os.environ["PATH"],
        "GREENFLASH_API_KEY": "gf_test",
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_BASE_URL": emulator.base_url,
        "GREENFLASH_OUTBOX": str(outbox),
    }


def missing(reason: str) -> NoReturn:
    """Pass over a test that needs something this machine does not have; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started in the background; what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what every test shares out of the garbage collections of the hundreds that ask for one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No setting of the machine counts, and nothing of ours is left instrumented."""
    for name in ("API_KEY", "PRODUCT_ID", "BASE_URL", "API_URL", "OUTBOX"):
        monkeypatch.delenv(f"GREENFLASH_{name}", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # reading the world's authorities takes a client 15 ms
    internal_errors.reset_for_tests()
    yield
    greenflash.shutdown(timeout_s=0)
    runtime.reset_for_tests()
    internal_errors.reset_for_tests()
    standalone.reset_for_tests()


@pytest.fixture
def greenflash_itself(greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator, as if it were no stand-in: it may have what was captured without a key."""
    monkeypatch.setattr("greenflash_otel.pipeline.is_stand_in", lambda base_url: False)
    return greenflash_emulator
