"""What users may import, and what importing costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import greenflash_otel


def test_all_lists_exactly_the_public_names() -> None:
    """Whatever is neither private nor a submodule is in ``__all__``."""
    found = {
        name
        for name, value in vars(greenflash_otel).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found == set(greenflash_otel.__all__)


def test_every_public_name_is_documented() -> None:
    """A docstring says what it is for."""
    assert [
        name for name in greenflash_otel.__all__ if not inspect.getdoc(getattr(greenflash_otel, name))
    ] == []


def test_importing_and_instrumenting_import_no_framework_and_no_server() -> None:
    """A process that uses none of them does not pay for them."""
    code = (
        "import sys, greenflash_otel;"
        "greenflash_otel.instrument(product_id='6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10', outbox=':memory:');"
        "print([name for name in ('openai', 'langchain_core', 'pydantic', 'starlette', 'uvicorn', 'httpx2')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
