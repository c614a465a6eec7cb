"""What a user's tests see of `greenflash_conversations`: a beginning without memory, and nothing real."""

from __future__ import annotations

from tests.testing_plugin.project import Project

APPLICATION = """
import greenflash_otel as greenflash

def say(text, id="chat-1", user="ada"):
    with greenflash.conversation(id, user_id=user):
        greenflash.record_message("user", text)
"""


def test_each_test_begins_empty(project: Project) -> None:
    """No conversation, no open block, no pipeline and no variable is left of the test before."""
    project.write(
        application=APPLICATION,
        test_theirs="""
        import os
        import greenflash_otel as greenflash
        from application import say

        def check(captured):
            assert captured.all() == ()
            assert greenflash.current_conversation() is None
            assert "GREENFLASH_DEFAULT_USER_ID" not in os.environ
            assert "GREENFLASH_MADE_UP" not in os.environ
            say("hello")
            assert captured.wait_for().visible == ["ada: hello"]
            greenflash.conversation("left open").__enter__()
            os.environ["GREENFLASH_MADE_UP"] = "1"

        def test_one(greenflash_conversations): check(greenflash_conversations)
        def test_two(greenflash_conversations): check(greenflash_conversations)
        def test_after():
            assert os.environ["GREENFLASH_DEFAULT_USER_ID"] == "real"
            assert "GREENFLASH_MADE_UP" not in os.environ
            assert greenflash.current_conversation() is None
            assert greenflash.stats().accepted == 0
        """,
    )
    run = project.test(GREENFLASH_DEFAULT_USER_ID="real", GREENFLASH_API_KEY="gf_real")
    assert run.counts == {"passed": 3}, run
    assert not project.state.exists()


def test_an_application_that_is_instrumented_on_import(project: Project) -> None:
    """Its frameworks, redaction and defaults apply, its address and outbox do not; afterwards it is as before."""
    project.write(
        application=APPLICATION
        + """
PIPELINE = greenflash.instrument(
    api_key="gf_real", product_id="6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10", base_url="http://127.0.0.1:9/api/v1",
    outbox="real-outbox", redact=lambda text, path: text.replace("secret", "[hidden]"), default_user_id="nobody",
    frameworks=(), sample_rate=0.0, shutdown_timeout_s=0.1,
)
""",
        test_theirs="""
        from pathlib import Path
        import greenflash_otel as greenflash
        from greenflash_otel import runtime
        import application

        def test_captured(greenflash_conversations):
            before = application.PIPELINE.stats().accepted
            application.say("a secret", user=None)
            chat = greenflash_conversations.wait_for("chat-1")
            assert chat.visible == ["nobody: a [hidden]"]
            assert chat.raw.product_id == "6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10"
            assert application.PIPELINE.stats().accepted == before
            assert greenflash.instrument(frameworks=()) is not application.PIPELINE

        def test_as_before():
            assert runtime.find_active_pipeline() is application.PIPELINE
            application.say("waits")
            assert greenflash.flush(5)
            assert application.PIPELINE.stats().accepted == 0  # its sample rate is 0
        """,
    )
    run = project.test()
    assert run.counts == {"passed": 2}, run


def test_an_application_that_instruments_in_the_test(project: Project) -> None:
    """Whatever it passes, and however often, what is captured goes to the test; nobody is asked for a product."""
    project.write(
        application=APPLICATION,
        test_theirs="""
        import pytest, openai, httpx2
        import greenflash_otel as greenflash
        from opentelemetry.sdk.trace import TracerProvider
        from application import say

        def answer(request):
            message = {"role": "assistant", "content": "Yes."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            return httpx2.Response(200, json=body)

        CLIENT = openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))

        def ask(text="hello"):
            with greenflash.conversation("chat-1", user_id="ada"):
                CLIENT.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])

        @pytest.mark.parametrize("settings", [
            {},
            {"api_key": "gf_real", "product_id": "6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10", "outbox": "real"},
            {"base_url": "http://127.0.0.1:9/api/v1", "enabled": False},
            {"tracer_provider": TracerProvider()},
            {"export": "none", "tracer_provider": TracerProvider()},
            {"export": "otlp"},
        ])
        def test_captured(greenflash_conversations, settings, tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            monkeypatch.setenv("OTEL_SDK_DISABLED", "false")
            greenflash.instrument(redact=lambda text, path: text.upper(), **settings)
            greenflash.instrument(**settings)
            ask()
            chat = greenflash_conversations.wait_for("chat-1", messages=2)
            assert chat.visible == ["ada: HELLO", "answer: YES."]
            assert list(tmp_path.iterdir()) == []

        def test_without_a_call(greenflash_conversations):
            ask()
            assert greenflash_conversations.wait_for(messages=2).messages[1].model == "m"

        def test_what_came_before_the_call(greenflash_conversations):
            ask()
            greenflash.instrument()
            ask("again")
            assert len(greenflash_conversations.wait_for(messages=4).turns) == 2

        def test_after_a_shutdown(greenflash_conversations):
            for text in ("one", "two"):
                greenflash.instrument()
                say(text, id=text)
                greenflash.shutdown()
            assert [chat.id for chat in greenflash_conversations.all()] == ["one", "two"]
        """,
    )
    run = project.test()
    assert run.counts == {"passed": 9}, run
    assert not project.state.exists()


def test_otel_sdk_disabled_does_not_hide_what_a_test_captures(project: Project) -> None:
    """Test environments set the variable against exporters of others."""
    project.write(
        application=APPLICATION + "\ngreenflash.instrument()\n",
        test_theirs="""
        import sys
        from application import say
        from greenflash_otel import runtime

        def test_captured(greenflash_conversations):
            say("hello")
            assert greenflash_conversations.wait_for().visible == ["ada: hello"]
            assert runtime.find_active_settings()[0].frameworks == ("openai", "langchain")
        """,
    )
    run = project.test(OTEL_SDK_DISABLED="true")
    assert run.counts == {"passed": 1}, run


def test_what_a_test_left_running_is_recorded(project: Project) -> None:
    """A thread that works on is waited for; what it says after the test reaches no other test."""
    project.write(
        application=APPLICATION,
        test_theirs="""
        import threading
        from application import say

        go, said = threading.Event(), threading.Event()

        def work():
            go.wait(10)
            say("later")
            said.set()

        def test_waits(greenflash_conversations):
            thread = threading.Thread(target=work)
            thread.start()
            greenflash_conversations.expect_none(within=0.05)
            threading.Timer(0.05, go.set).start()
            assert greenflash_conversations.wait_for("chat-1").visible == ["ada: later"]
            thread.join()

        def test_next(greenflash_conversations):
            greenflash_conversations.expect_none(within=0.05)
        """,
    )
    run = project.test()
    assert run.counts == {"passed": 2}, run
