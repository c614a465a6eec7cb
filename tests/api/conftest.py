"""A local server for the client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.delivery.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    with Server().running() as server:
        yield server
