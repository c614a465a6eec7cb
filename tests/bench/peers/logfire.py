"""Logfire (Pydantic), without its cloud. It has no instrumentation of LangChain of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tests.bench.peers import spans


def begin(sink_url: str, folder: str) -> None:
    """Instrument OpenAI."""
    logfire: Any = import_module("logfire")
    logfire.configure(
        send_to_logfire=False, console=False, additional_span_processors=[spans.make_processor()]
    )
    logfire.instrument_openai()


def flush() -> None:
    """Hand over what waits."""
    import_module("logfire").force_flush()
