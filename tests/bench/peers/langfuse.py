"""Langfuse: its patched OpenAI module, and its handler in LangChain. What it exports is dropped."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tests.bench.peers import spans

_clients: list[Any] = []


def begin(sink_url: str, folder: str) -> None:
    """Make its client; importing its module patches OpenAI."""
    module: Any = import_module("langfuse")
    keys = {"public_key": "pk-bench", "secret_key": "sk-bench"}
    _clients.append(module.Langfuse(**keys, host=sink_url, span_exporter=spans.Drop()))
    import_module("langfuse.openai")


def flush() -> None:
    """Hand over what waits."""
    _clients[0].flush()


def callbacks() -> list[Any]:
    """Return its handler, which has to be passed to LangChain."""
    return [import_module("langfuse.langchain").CallbackHandler()]
