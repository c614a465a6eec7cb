"""The pytest plugin: one fixture. It touches no setting of pytest and starts nothing by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from greenflash_otel.testing import Emulator


@pytest.fixture
def greenflash_emulator() -> Iterator[Emulator]:
    """A running, empty local Greenflash; it accepts any API key.

    def test_a_chat_reaches_greenflash(greenflash_emulator):
        greenflash.instrument(base_url=greenflash_emulator.base_url, api_key="gf_test", ...)
        ...
        assert greenflash_emulator.conversation("chat-42").messages
    """
    with Emulator() as emulator:
        yield emulator
