"""What pytest loads in every run of an environment that has this package. PYTEST_DONT_REWRITE

It imports pytest only. Everything else is imported when a test uses a fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from greenflash_otel.testing import CapturedConversations, Emulator, GreenflashFaults
    from greenflash_otel.testing.emulator_pool import EmulatorPool

CAPTURED: pytest.StashKey[CapturedConversations] = pytest.StashKey()
TITLE = "Greenflash conversations"


@pytest.fixture
def greenflash_conversations(
    request: pytest.FixtureRequest, greenflash_faults: GreenflashFaults
) -> Iterator[CapturedConversations]:
    """Capture what the application says to models, within the process; `instrument()` has run.

    def test_upgrade_is_linked(greenflash_conversations):
        answer_ticket("chat-42", user="ada", text="Can I invite my team?")
        chat = greenflash_conversations.wait_for("chat-42", messages=2, outcomes=1)
        assert chat.outcome("upgrade").value == "149.00"
    """
    from greenflash_otel.testing.capture import capturing

    with capturing(greenflash_faults) as conversations:
        request.node.stash[CAPTURED] = conversations
        yield conversations
    if problems := conversations.list_problems():
        advice = "Call greenflash_conversations.allow_rejected() if that is on purpose."
        pytest.fail("\n".join([*problems, advice]), pytrace=False)
    conversations.warn_of_unlinked()


@pytest.fixture(scope="session")
def greenflash_servers() -> Iterator[EmulatorPool]:
    """Keep the server of `greenflash_emulator` from test to test: one for each process of pytest-xdist."""
    try:
        from greenflash_otel.testing.emulator_pool import EmulatorPool
    except ModuleNotFoundError as error:
        pytest.fail(
            f"{error.name} is not installed: pip install 'greenflash-otel[emulator]', or use greenflash_conversations",
            pytrace=False,
        )
    with EmulatorPool() as pool:
        yield pool


@pytest.fixture
def greenflash_emulator(
    greenflash_servers: EmulatorPool, greenflash_faults: GreenflashFaults
) -> Iterator[Emulator]:
    """Run an empty local Greenflash; it accepts any API key. What the test instrumented ends with it.

    def test_a_chat_reaches_greenflash(greenflash_emulator):
        greenflash.instrument(base_url=greenflash_emulator.base_url, api_key="gf_test", ...)
        ...
        assert greenflash_emulator.conversation("chat-42").messages
    """
    from greenflash_otel.runtime import shutdown

    with greenflash_servers.lend(greenflash_faults) as emulator:
        yield emulator
        shutdown(timeout_s=1)  # so that the next test's instrument() begins anew, with its own emulator


@pytest.fixture
def greenflash_faults() -> Iterator[GreenflashFaults]:
    """Make `greenflash_conversations` and `greenflash_emulator` fail on order.

    def test_answers_although_greenflash_is_down(greenflash_conversations, greenflash_faults):
        greenflash_faults.reject("/messages", 503, times=2)
        ...
    """
    from greenflash_otel.testing.faults import GreenflashFaults

    faults = GreenflashFaults()
    yield faults
    faults.clear()


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show how a tree differs from what a test expected."""
    tree = sys.modules.get("greenflash_otel.testing.tree")
    explained: list[str] | None = tree.explain_difference(left, right) if tree and op == "==" else None
    return explained


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what was captured, where a test failed that captured."""
    report = yield
    if report.failed and (conversations := item.stash.get(CAPTURED, None)) is not None:
        report.sections.append((TITLE, conversations.describe()))
    return report
