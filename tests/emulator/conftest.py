"""A running emulator and an HTTP client that carries a key."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from greenflash_otel.emulator import Emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Empty, on a free port, open to any key."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client of that emulator's API."""
    with httpx.Client(base_url=emulator.base_url, headers={"authorization": "Bearer gf_test"}) as client:
        yield client
