"""A clock, a running server, and outboxes that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.fakes import Clock
from tests.delivery.server import Server

Opening: TypeAlias = Callable[..., Outbox]
"""Opens an outbox as `Outbox` does; it is closed at the end of the test."""


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    with Server().running() as server:
        yield server


@pytest.fixture
def opened() -> Iterator[Opening]:
    """Opens outboxes."""
    with ExitStack() as stack:

        def open_outbox(path: str | Path = ":memory:", **arguments: Any) -> Outbox:
            return stack.enter_context(closing(Outbox(path, **arguments)))

        yield open_outbox


@pytest.fixture
def outbox(opened: Opening) -> Outbox:
    """An outbox in memory."""
    return opened()
