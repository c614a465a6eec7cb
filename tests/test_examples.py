"""The examples run as they stand, without accounts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


CAPITAL = "The capital of Mexico is Mexico City."
SAYS = {
    "quickstart.py": [CAPITAL, "delivered: True - accepted 21 = delivered 21"],
    "langgraph_agent.py": ["delivered: True - accepted 11 = delivered 11"],
    "langchain_handler.py": [CAPITAL, "delivered: True - accepted 4 = delivered 4"],
}
"""What each prints, among other things."""


def test_all_examples_are_here() -> None:
    """A new one has to say what it prints."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_examples_deliver_everything_without_accounts(name: str) -> None:
    """They print the recorded answers and that all was delivered."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GREENFLASH_"))
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=60,
    )
    assert [said for said in SAYS[name] if said not in done.stdout] == []
    assert done.stderr == ""
