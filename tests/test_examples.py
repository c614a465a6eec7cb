"""The examples run as they stand, without accounts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_quickstart_delivers_everything_without_accounts() -> None:
    """It prints the recorded answer and that all was delivered."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GREENFLASH_"))
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "quickstart.py")],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=60,
    )
    assert "The capital of Mexico is Mexico City." in done.stdout
    assert "delivered: True - accepted 21 = delivered 21" in done.stdout
    assert done.stderr == ""
