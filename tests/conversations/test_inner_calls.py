"""An agent that another agent uses as a tool works below the call; whatever else looks like it is shown."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.chain import find_head
from greenflash_otel.message_ids.fragments import split_messages
from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Part,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.telemetry import SpanRecord

QUESTION = Message("user", (Text("I want my money back"),))
ASKED = Message("user", (Text("What is the policy?"),))
CALL = ToolCall("ask_expert", {"input": "What is the policy?"}, "call_1")
ASKS = Message("assistant", (CALL,))
RESULT = Message("tool", (ToolCallResponse("30 days.", "call_1"),))


class Chat:
    """A conversation that gets one model call after the other."""

    def __init__(self) -> None:
        self._store, self._count = ConversationStore(), 0
        self.items: list[MessageItem] = []

    def call(
        self, prompt: str, messages: tuple[Message, ...], *answer: Part, parent_id: str | None = None
    ) -> None:
        """Assemble one call."""
        self._count += 1
        operation = Operation(
            "chat",
            ConversationContext("T"),
            input=(*((Message("system", (Text(prompt),)),) if prompt else ()), *messages),
            output=(Message("assistant", answer),),
            input_parent_id=parent_id,
        )
        at, name = self._count * 10**9, f"{self._count:032x}"
        span = SpanRecord(name, name[:16], "chat", at, at + 1)
        self.items += assemble(self._store, span, replace(operation)).messages

    def shown(self) -> list[str]:
        """What the user said and saw."""
        return [item.content for item in self.items if item.content]

    def parents(self, type: str) -> set[str | None]:
        """The types of the messages on which those of a type hang."""
        types = {item.id: item.type for item in self.items}
        return {types.get(item.parent_id or "") for item in self.items if item.type == type}


def begin() -> Chat:
    """A conversation in which a tool call is under way."""
    chat = Chat()
    chat.call("DESK", (QUESTION,), CALL)
    return chat


def test_an_agent_used_as_a_tool_is_a_step_of_the_call() -> None:
    """What it is asked are the arguments of the call; also if it has the same system prompt, or none."""
    for prompt in ("EXPERT", "DESK", ""):
        chat = begin()
        chat.call(prompt, (ASKED,), Text("The policy is 30 days."))
        chat.call("DESK", (QUESTION, ASKS, RESULT), Text("You get it back."))
        assert chat.shown() == ["I want my money back", "You get it back."]
        assert chat.parents("llm") == {"tool_call"}


def test_the_question_may_be_part_of_a_longer_one() -> None:
    """Some frameworks write more around it."""
    chat = begin()
    chat.call(
        "EXPERT", (Message("user", (Text("Your task: What is the policy? Be brief."),)),), Text("30 days.")
    )
    assert chat.shown() == ["I want my money back"]


def test_its_own_tools_and_session_belong_to_the_call() -> None:
    """It calls again with what its tools said, also if the span leaves out what is known."""
    own = Message("assistant", (ToolCall("look_up", {"page": 3}, "call_2"),))
    found = Message("tool", (ToolCallResponse("30", "call_2"),))
    whole, short = begin(), begin()
    for chat in (whole, short):
        chat.call("EXPERT", (ASKED,), *own.parts)
    whole.call("EXPERT", (ASKED, own, found), Text("30 days."))
    short.call(
        "EXPERT", (found,), Text("30 days."), parent_id=find_head("T", None, split_messages((ASKED, own)))
    )
    assert whole.shown() == short.shown() == ["I want my money back"]
    assert whole.parents("llm") == short.parents("llm") == {"tool_call"}


def test_what_the_user_says_is_shown() -> None:
    """A tool that is asked what the user asked hides nothing of the conversation's own calls."""
    chat = Chat()
    chat.call("DESK", (ASKED,), CALL)
    chat.call("DESK", (ASKED,), Text("Asked again."))
    chat.call("DESK", (ASKED, ASKS, RESULT), Text("30 days."))
    assert chat.shown() == ["What is the policy?", "Asked again.", "30 days."]


def test_a_suggestion_that_the_user_takes_is_shown() -> None:
    """A tool may suggest a reply; the user who sends it goes on with the conversation."""
    chat = Chat()
    suggests = ToolCall("suggest", {"text": "Yes, book the table."}, "call_1")
    chat.call("DESK", (QUESTION,), Text("Shall I?"), suggests)
    said = (QUESTION, Message("assistant", (Text("Shall I?"),)))
    chat.call("DESK", (*said, Message("user", (Text("Yes, book the table."),))), Text("Booked."))
    assert chat.shown()[-2:] == ["Yes, book the table.", "Booked."]
