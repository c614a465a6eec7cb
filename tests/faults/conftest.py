"""A fast disk and a server. What needs system calls of Linux is collected where these are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.server import Server
from tests.faults.sweep import SHM
from tests.faults.tracing import IS_POSSIBLE

collect_ignore = [] if IS_POSSIBLE else ["test_sweep.py", "test_power.py", "test_disk.py"]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: for tests of what a disk has long got."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    with Server().running() as server:
        yield server
