"""Stand-ins for OpenAI and Greenflash, for programs that read their addresses from the environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from greenflash_otel.demo.replay import Replay
from greenflash_otel.emulator import Emulator

PRODUCT = "6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10"
"""The product of the demo; the emulator takes any."""

NO_PROXY = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
"""Variables that keep the calls to the stand-ins from going through a proxy of the user's."""


@contextmanager
def local_services() -> Iterator[Emulator]:
    """Point the environment at recorded answers and a local Greenflash while the context lasts."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as outbox, Replay() as openai, Emulator() as emulator:
        os.environ |= {
            "OPENAI_API_KEY": "sk-recorded",
            "OPENAI_BASE_URL": openai.base_url,
            "GREENFLASH_API_KEY": "gf_local",
            "GREENFLASH_PRODUCT_ID": PRODUCT,
            "GREENFLASH_BASE_URL": emulator.base_url,
            "GREENFLASH_OUTBOX": outbox,
            **NO_PROXY,
        }
        try:
            yield emulator
        finally:
            os.environ.clear()
            os.environ.update(before)
