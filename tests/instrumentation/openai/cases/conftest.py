"""A provider and the clients that call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import openai
import pytest

from tests.instrumentation.openai.server import Reply, Server

Serve: TypeAlias = Callable[..., Server]
"""Starts a server that gives each request the next of the given replies, for the time of the test."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as running:

        def start(*replies: Reply) -> Server:
            return running.enter_context(Server(*replies))

        yield start


def client_of(server: Server, **options: Any) -> openai.OpenAI:
    """A client that tries everything once."""
    return openai.OpenAI(api_key="k", base_url=server.url, **{"max_retries": 0, **options})


def async_client_of(server: Server, **options: Any) -> openai.AsyncOpenAI:
    """Its twin."""
    return openai.AsyncOpenAI(api_key="k", base_url=server.url, **{"max_retries": 0, **options})
