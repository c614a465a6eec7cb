"""Runs that are no part of what is said: models that judge, parsers, templates; and results that people gave."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig

from tests.instrumentation.langchain.models import create_agent, says, thread, told
from tests.instrumentation.langchain.test_agents import graph_of
from tests.instrumentation.openai.spans import Spans


class Judge(Runnable[Any, Any]):
    """A model that says nothing to anybody, as LangChain's decision models run."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._call_with_config(self._judge, input, config, run_type="llm")

    def _judge(self, request: Any) -> Any:
        return {"model": "judge-1", "answers": {"safe": {"type": "noul", "noul": 0.9}}}


NAMED: Any = {"metadata": {"thread_id": "T"}}
REQUEST = {"state": HumanMessage("Hi"), "questions": {"safe": "Is it safe?"}}


def test_a_judgement_alone_is_a_hidden_step(spans: Spans) -> None:
    """Nobody said what is judged, and nobody saw the judgement."""
    Judge().invoke(REQUEST, NAMED)
    [operation] = spans.operations()
    assert operation.name == "decision"
    assert operation.response_model == "judge-1"
    assert [item.type for item in spans.conversations()["T"]] == ["llm"]


def test_a_judgement_within_a_graph_is_a_step_of_its_turn(spans: Spans) -> None:
    """It comes between the question and the answer."""

    def guard(state: Any) -> Any:
        Judge().invoke(REQUEST)
        return {}

    def answer(state: Any) -> Any:
        return {"messages": [AIMessage("Hello.")]}

    graph_of(guard, answer).invoke({"messages": [HumanMessage("Hi")]}, thread("T"))
    types = [item.type for item in spans.conversations()["T"]]
    assert types == ["user_message", "llm", "assistant_message"]


def test_what_a_judge_asks_another_model_is_hidden(spans: Spans) -> None:
    """A judge may be made from a chat model."""

    class Asks(Judge):
        def _judge(self, request: Any) -> Any:
            return says("Safe.").invoke("Is it safe?")

    Asks().invoke(REQUEST, NAMED)
    assert [item.content for item in spans.told() if item.content] == []


def test_templates_and_parsers_alone_say_nothing(spans: Spans) -> None:
    """An application may use them outside any chain."""
    ChatPromptTemplate.from_messages([("user", "{x}")]).invoke({"x": "Hi"}, thread("T"))
    StrOutputParser().invoke(AIMessage("Hello."), thread("T"))
    assert spans.told() == []


def test_the_result_that_a_person_gave_is_a_result(spans: Spans) -> None:
    """LangChain marks it as not written by the user; it was said all the same."""

    def ask(state: Any) -> Any:
        call = {"name": "refund", "args": {}, "id": "call_1"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    def reject(state: Any) -> Any:
        mark = {"lc_source": "human_in_the_loop"}
        return {
            "messages": [ToolMessage("No.", tool_call_id="call_1", status="error", additional_kwargs=mark)]
        }

    def answer(state: Any) -> Any:
        return {"messages": [AIMessage("As you wish.")]}

    graph_of(ask, reject, answer).invoke({"messages": [HumanMessage("Refund me.")]}, thread("T"))
    types = [item.type for item in spans.conversations()["T"]]
    assert types == ["user_message", "tool_call", "tool_error", "final_response"]


def test_the_next_turn_hangs_on_an_answer_with_any_block(spans: Spans) -> None:
    """What is remembered of an answer, and what is read from its span, have the same id."""
    from langgraph.checkpoint.memory import MemorySaver

    for block in (
        {"type": "uri", "uri": "https://example.org/p.png", "modality": "image"},
        {"type": "blob", "content": "x"},
        {"type": "citation", "url": "https://example.org/a"},
        {"type": "tool_call_response", "id": "x", "response": "y"},
    ):
        name = str(block["type"])
        model = says(AIMessage([{"type": "text", "text": "First."}, block]), "Second.")
        agent = create_agent(model, [], checkpointer=MemorySaver())
        for question in ("One?", "Two?"):
            agent.invoke({"messages": [HumanMessage(question)]}, thread(name))
        items = spans.conversations()[name]
        parent = {item.content: item.parent_id for item in items}["Two?"]
        assert [item.content for item in items if item.id == parent] == ["First."], block
        assert told(spans, name)
