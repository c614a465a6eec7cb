"""Every Python block of the README and the docs runs, and the generated pages are up to date."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.conftest import PRODUCT

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_block_captures_what_it_says(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of the README, set up by environment variables, makes the conversation it shows."""
    import openai

    [code] = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(), re.DOTALL)
    for name, value in {
        "API_KEY": "gf_test",
        "PRODUCT_ID": PRODUCT,
        "BASE_URL": greenflash_emulator.base_url,
    }.items():
        monkeypatch.setenv(f"GREENFLASH_{name}", value)
    monkeypatch.setattr(openai, "OpenAI", lambda: client_saying(["Yes, on the team plan."]))
    space: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), space)  # noqa: S102 - our own README
    assert vars(space["greenflash"])["flush"](10)
    stored = greenflash_emulator.conversation("chat-42")
    assert [message.content for message in stored.messages] == [
        "Can I invite my whole team?",
        "Yes, on the team plan.",
    ]
    assert [outcome.value for outcome in stored.outcomes] == ["149.00"]


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link in the docs names a file that exists."""
    broken = [
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", ["settings.md", "command-line.md"])
def test_generated_pages_are_up_to_date(name: str) -> None:
    """``make docs`` would change nothing."""
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages[name]()
