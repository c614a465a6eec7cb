"""LangSmith: its wrapper of the client, and its tracer in LangChain. It sends to a local sink."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

_clients: list[Any] = []


def begin(sink_url: str, folder: str) -> None:
    """Set its environment; it looks there."""
    os.environ["LANGSMITH_TRACING"] = "true"
    os.environ["LANGSMITH_API_KEY"] = "lsv2_bench"
    os.environ["LANGSMITH_ENDPOINT"] = sink_url
    _clients.append(import_module("langsmith").Client())


def wrap(client: Any) -> Any:
    """Wrap a client of OpenAI, as its documentation tells to."""
    return import_module("langsmith.wrappers").wrap_openai(client, tracing_extra={"client": _clients[0]})


def flush() -> None:
    """Hand over what waits."""
    _clients[0].flush()
