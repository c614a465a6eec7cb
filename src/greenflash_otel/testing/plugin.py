"""Provide the pytest plugin: one fixture. It touches no setting of pytest and starts nothing unless a test uses it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from greenflash_otel.runtime import shutdown
from greenflash_otel.testing import Emulator


@pytest.fixture
def greenflash_emulator() -> Iterator[Emulator]:
    """Run an empty local Greenflash; it accepts any API key. What the test instrumented ends with it.

    def test_a_chat_reaches_greenflash(greenflash_emulator):
        greenflash.instrument(base_url=greenflash_emulator.base_url, api_key="gf_test", ...)
        ...
        assert greenflash_emulator.conversation("chat-42").messages
    """
    with Emulator() as emulator:
        yield emulator
        shutdown(timeout_s=1)  # so that the next test's instrument() begins anew, with its own emulator
