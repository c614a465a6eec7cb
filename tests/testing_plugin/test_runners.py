"""The plugin under the runners that users have, and what it costs those who do not use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.testing_plugin.project import Project

SAYS = """
import greenflash_otel as greenflash
import pytest

@pytest.mark.parametrize("number", range(4))
def test_says(greenflash_conversations, number):
    with greenflash.conversation("chat", user_id="ada"):
        greenflash.record_message("user", f"hello {number}")
    assert greenflash_conversations.wait_for().visible == [f"ada: hello {number}"]
"""


def test_it_imports_pytest_and_nothing_of_ours() -> None:
    """So a run that does not use it pays for one small module."""
    code = (
        "import sys, pytest; before = set(sys.modules); import _greenflash_otel_pytest;"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['_greenflash_otel_pytest']\n"


def test_unused_it_imports_nothing(project: Project) -> None:
    """Not even where a test fails."""
    project.write(
        conftest="""
        import sys

        def pytest_unconfigure():
            print("imported:", [name for name in sys.modules if name.startswith("greenflash_otel")])
        """,
        test_theirs="def test_fails():\n    assert 'a' == 'b'\n",
    )
    run = project.test("-s")
    assert run.counts == {"failed": 1}, run
    assert "imported: []" in run.output


@pytest.mark.parametrize(
    ("found", "expected"),
    [((), {"passed": 4}), (("-p", "no:greenflash"), {"error": 4})],
    ids=["found by pytest too", "turned off"],
)
def test_named_in_a_conftest(project: Project, found: tuple[str, ...], expected: dict[str, int]) -> None:
    """It is the same plugin, once, unless it is turned off."""
    project.write(
        conftest='pytest_plugins = ["greenflash_otel.testing.plugin"]\n',
        test_theirs=SAYS,
    )
    run = project.test(*found)
    assert run.counts == expected, run


def test_where_pytest_finds_no_plugins(project: Project) -> None:
    """The line in the top conftest is enough."""
    project.write(
        conftest='pytest_plugins = ["greenflash_otel.testing.plugin"]\n',
        test_theirs=SAYS,
    )
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    run = project.run(*command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert run.counts == {"passed": 4}, run


def test_with_xdist(project: Project) -> None:
    project.write(test_theirs=SAYS)
    run = project.test("-n", "2")
    assert run.counts == {"passed": 4}, run


def test_with_asyncio(project: Project) -> None:
    """`await_for` lets the loop run on: what is waited for is said by a task of it."""
    project.write(
        test_theirs="""
        import asyncio
        import pytest
        import greenflash_otel as greenflash

        async def say(text):
            async with greenflash.conversation("chat", user_id="ada"):
                await asyncio.sleep(0)
                greenflash.record_message("user", text)

        @pytest.mark.asyncio
        async def test_says(greenflash_conversations):
            task = asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(say("hello")))
            chat = await greenflash_conversations.await_for("chat", messages=1)
            assert chat.visible == ["ada: hello"]

        @pytest.mark.asyncio
        async def test_begins_empty(greenflash_conversations):
            assert greenflash_conversations.all() == ()
            await say("again")
            assert len(greenflash_conversations.all()) == 1
        """
    )
    run = project.test("-p", "asyncio")
    assert run.counts == {"passed": 2}, run


def test_twice_in_one_process(project: Project) -> None:
    """A second run is as the first; nothing of ours keeps running."""
    project.write(
        test_theirs=SAYS,
        main="""
        import threading
        import pytest

        options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]
        assert [int(pytest.main([*options, "test_theirs.py"])) for _ in range(2)] == [0, 0]
        print("threads:", [one.name for one in threading.enumerate() if not one.daemon])
        """,
    )
    run = project.run(sys.executable, "main.py")
    assert run.output.count("4 passed") == 2, run
    assert "threads: ['MainThread']" in run.output
