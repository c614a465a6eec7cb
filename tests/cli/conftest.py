"""An emulator with conversations of every kind, for the commands that read one."""

from __future__ import annotations

import socket

import pytest

from tests.viewer.conftest import Stories, stories

__all__ = ["Stories", "stories"]


@pytest.fixture
def unused_address() -> str:
    """Where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
