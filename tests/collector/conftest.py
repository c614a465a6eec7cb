"""The Collectors: the OpenTelemetry Collector as `make collector` builds it, and rotel from PyPI.

Where one is missing its tests are passed over, with the reason; in CI that is a failure.
"""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

BUILT = Path(__file__).parents[2] / ".collector" / "otelcol"


@pytest.fixture(scope="session")
def otelcol() -> Path:
    """The OpenTelemetry Collector."""
    if not BUILT.exists():
        missing("there is no OpenTelemetry Collector: `make collector` builds it, with Go")
    return BUILT


@pytest.fixture(scope="session")
def rotel() -> Path:
    """Rotel's program."""
    found = find_spec("rotel")
    if found is None or found.origin is None:
        missing("rotel is not installed")
    program = Path(found.origin).with_name("rotel-agent")
    if subprocess.run([program, "--version"], capture_output=True, check=False).returncode:
        missing("rotel does not run here; it needs libpython3.11")
    return program


def missing(reason: str) -> NoReturn:
    """Pass over a test that needs something this machine does not have."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
