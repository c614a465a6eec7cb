"""What a user sees when a test of theirs fails, and which tests fail although their assertions hold."""

from __future__ import annotations

import re

from tests.testing_plugin.project import Project

SAY = """
import greenflash_otel as greenflash

def say(text="hello", plan="pro"):
    with greenflash.conversation("chat-42", user_id="ada"):
        greenflash.record_message("user", text)
        with greenflash.step("tool_call", name="price_of", input={"plan": plan}) as price:
            price.output("149.00")
        greenflash.record_message("assistant", "The Team plan.")
        greenflash.record_outcome("upgrade", "149.00")
"""


def test_a_tree_that_differs(project: Project) -> None:
    """The difference is shown line by line, and everything that was captured."""
    project.write(
        application=SAY,
        test_theirs='''
        from application import say
        from greenflash_otel.testing import assert_conversation

        def test_differs(greenflash_conversations):
            say()
            assert_conversation(greenflash_conversations.wait_for("chat-42", messages=2), """
                ada          hello
                  tool_call  price_of {"plan": "team"} → 149.00
                answer       The … plan.
            """)

        def test_compares_texts(greenflash_conversations):
            say()
            assert greenflash_conversations.wait_for("chat-42", outcomes=1).text == "ada  hello"
        ''',
    )
    output = project.test().output
    assert "AssertionError: chat-42 differs (- expected, + captured)" in output
    differing = [line[1:].strip() for line in output.splitlines() if re.match(r"E +[-+] ", line)]
    assert differing[:3] == [
        '-   tool_call  price_of {"plan": "team"} → 149.00',
        '+   tool_call  price_of {"plan": "pro"} → 149.00',
        "+ ◆ upgrade    149.00",
    ]
    assert "+ answer       The Team plan." in differing[3:]
    assert "E       assert chat-42 differs (- expected, + captured)" in output
    section = output.split("- Greenflash conversations -", 1)[1]
    assert "chat-42  2 messages, 1 step, 1 outcome" in section
    assert "rejected: none" in section


def test_waiting_in_vain(project: Project) -> None:
    """The message says what is there and what is missing."""
    project.write(
        application=SAY,
        test_theirs="""
        from application import say

        def test_too_few(greenflash_conversations):
            say()
            greenflash_conversations.wait_for("chat-42", messages=3, outcomes=2, ratings=1, timeout=0.1)

        def test_another(greenflash_conversations):
            say()
            greenflash_conversations.wait_for("chat-43", timeout=0.1)

        def test_none_expected(greenflash_conversations):
            say()
            greenflash_conversations.expect_none("chat-43", within=0)
            greenflash_conversations.expect_none("chat-42", within=0)
        """,
    )
    run = project.test()
    assert run.counts == {"failed": 3}, run
    for said in (
        "waited 0.1 s: chat-42 has 2 of 3 messages, 1 of 2 outcomes, 0 of 1 ratings",
        "no conversation 'chat-43' after 0.1 s; captured: 'chat-42'",
        "expected nothing, but captured:",
    ):
        assert said in run.output, run


def test_a_rejected_request_fails_the_test(project: Project) -> None:
    """Its reason is shown; a test that provokes it says so; what was ordered is no surprise."""
    project.write(
        application=SAY,
        test_theirs="""
        import httpx
        import greenflash_otel as greenflash
        from greenflash_otel import internal_errors, runtime
        from application import say

        def send_nonsense():
            client = runtime.find_active_settings()[1]
            assert client.post("http://greenflash.test/api/v1/messages", json={"x": 1}).status_code == 400

        def test_rejected(greenflash_conversations): send_nonsense()
        def test_allowed(greenflash_conversations):
            greenflash_conversations.allow_rejected()
            send_nonsense()
            [request] = greenflash_conversations.rejected()
            assert (request.path, request.status) == ("/messages", 400)
        def test_failed_inside(greenflash_conversations):
            with internal_errors.guarded("do a thing"):
                raise ValueError
        def test_ordered(greenflash_conversations, greenflash_faults):
            say()
            greenflash_conversations.wait_for("chat-42", outcomes=1)
            greenflash_faults.reject("/messages", 400)
            with greenflash.conversation("chat-43"):
                greenflash.record_message("user", "hello")
            greenflash.flush(5)  # it may have been rejected before, so this may be True
            assert greenflash.stats().rejected == 1
        def test_ordered_before_anything_was_accepted(greenflash_conversations, greenflash_faults):
            greenflash_faults.reject("/messages", 400, message="no such product")
            with greenflash.conversation("chat-43"):
                greenflash.record_message("user", "hello")
            greenflash_conversations.wait_for("chat-43", timeout=0)
        """,
    )
    run = project.test()
    assert run.counts == {"passed": 4, "failed": 1, "error": 2}, run
    assert "delivery is paused: HTTP 400: no such product" in run.output
    assert "Greenflash would reject a request: POST /messages: 400 " in run.output
    assert "greenflash-otel has failed: could not do a thing (1)" in run.output
    assert "Call greenflash_conversations.allow_rejected() if that is on purpose." in run.output


def test_nothing_is_added_to_tests_that_do_not_capture(project: Project) -> None:
    project.write(test_theirs='def test_fails():\n    assert "a" == "b"\n')
    assert "Greenflash" not in project.test().output
