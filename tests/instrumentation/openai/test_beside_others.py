"""Published instrumentations in the same process: both record every call once, in any order."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["openinference.instrumentation.openai", "opentelemetry.instrumentation.openai"]
)
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_beside(module: str, first: str) -> None:
    """OpenInference's and OpenLLMetry's instrumentation, on before or after ours; see `is_auxiliary`."""
    pytest.importorskip(module)
    command = [sys.executable, "-m", "tests.instrumentation.openai.beside", module, first]
    subprocess.run(command, check=True, timeout=60)
