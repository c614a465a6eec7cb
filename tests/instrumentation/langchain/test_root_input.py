"""What the user said is what the root was given, in any shape; what was said before is history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph, add_messages
from langgraph.types import Command
from pydantic import BaseModel

from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation import openai as openai_sdk
from greenflash_otel.internal_errors import get_counts
from greenflash_otel.langchain import GreenflashCallbackHandler
from tests.instrumentation.langchain.models import create_agent, echoes, middleware, says, thread
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import completion
from tests.instrumentation.openai.server import Server, document
from tests.instrumentation.openai.spans import Spans


def shown(spans: Spans, conversation_id: str = "T") -> list[tuple[str, str]]:
    """What the user sees of a conversation: who, and what."""
    items = spans.conversations().get(conversation_id, [])
    return [
        ("user" if item.type == "user_message" else item.type.partition("_")[0], item.content)
        for item in items
        if item.content
    ]


def talk(*texts: str) -> list[tuple[str, str]]:
    """Question and answer in turn."""
    return [(("user", "assistant")[at % 2], text) for at, text in enumerate(texts)]


def is_in_line(spans: Spans, conversation_id: str = "T") -> bool:
    """Whether each message that is shown hangs on the one before it."""
    items = [conversation for conversation in spans.conversations()[conversation_id] if conversation.content]
    return [item.parent_id for item in items] == [None, *[item.id for item in items[:-1]]]


NAMED: Any = {"metadata": {"conversation_id": "T"}}
OLD = [HumanMessage("old"), AIMessage("old answer")]


async def consume(events: Any) -> None:
    async for _ in events:
        pass


WAYS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "invoke": lambda chain, given, config: chain.invoke(given, config),
    "stream": lambda chain, given, config: list(chain.stream(given, config)),
    "ainvoke": lambda chain, given, config: asyncio.run(chain.ainvoke(given, config)),
    "astream": lambda chain, given, config: asyncio.run(consume(chain.astream(given, config))),
    "astream_events": lambda chain, given, config: asyncio.run(
        consume(chain.astream_events(given, config, version="v2"))
    ),
}


# --- what was said before ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("key", ["chat_history", "messages", "verlauf"])
def test_a_history_beside_the_question(way: str, is_named: bool, key: str, spans: Spans) -> None:
    """Two turns are two questions and two answers in one line, whatever the field is called."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Be brief."), MessagesPlaceholder(key), ("human", "{frage}")]
    )
    history: list[Any] = []
    for question in ("one?", "two?", "three?"):
        WAYS[way](prompt | echoes(), {"frage": question, key: list(history)}, NAMED if is_named else {})
        history += [("human", question), {"role": "assistant", "content": f"You said {question}"}]
    [conversation_id] = spans.conversations()
    expected = talk("one?", "You said one?", "two?", "You said two?", "three?", "You said three?")
    assert shown(spans, conversation_id) == expected
    assert is_in_line(spans, conversation_id)
    assert {item.type for item in spans.told()} == {"user_message", "assistant_message"}


def test_a_history_that_ends_with_a_question_nobody_answered(spans: Spans) -> None:
    """The last turn failed; what is asked now is asked now."""
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("chat_history"), ("human", "{input}")])
    given = {"chat_history": [*OLD, HumanMessage("lost?")], "input": "again?"}
    (prompt | echoes()).invoke(given, NAMED)
    assert sorted(shown(spans)) == sorted(
        [*talk("old", "old answer"), ("user", "lost?"), *talk("again?", "You said again?")]
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_named", [True, False])
def test_a_list_that_the_application_goes_on_with(way: str, is_named: bool, spans: Spans) -> None:
    """It appends to its own list, and edits a message, while the turn runs."""
    history: list[Any] = []

    def save(answer: Any) -> Any:
        history.append(AIMessage(answer.content))
        return answer

    for question in ("one?", "two?"):
        history.append(HumanMessage(question))
        WAYS[way](echoes() | RunnableLambda(save), history, NAMED if is_named else {})
    [conversation_id] = spans.conversations()
    assert shown(spans, conversation_id) == talk("one?", "You said one?", "two?", "You said two?")


def test_a_question_that_a_node_edits_in_place(spans: Spans) -> None:
    """The user wrote what was there when the graph began."""

    def add(state: MessagesState) -> Any:
        state["messages"][-1].content = f"<facts> {state['messages'][-1].content}"
        return {"messages": [echoes().invoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("add", add).add_edge(START, "add")
    compiled = graph.compile(checkpointer=InMemorySaver())
    for question in ("one?", "two?"):
        compiled.invoke({"messages": [HumanMessage(question)]}, thread("T"))
    expected = talk("one?", "You said <facts> one?", "two?", "You said <facts> two?")
    assert shown(spans) == expected


@pytest.mark.parametrize("is_named", [True, False])
def test_an_agent_that_is_handed_its_result_again(is_named: bool, spans: Spans) -> None:
    """Without a checkpointer the application keeps the messages, also those that middleware added."""
    hooks = middleware()

    @hooks.before_model
    def remind(state: Any, runtime: Any) -> Any:
        return {"messages": [HumanMessage("(answer in English)")]}

    agent, messages = create_agent(says("One.", "Two.", "Three."), middleware=[remind]), list[Any]()
    for question in ("1?", "2?", "3?"):
        given = {"messages": [*messages, {"role": "user", "content": question}]}
        messages = agent.invoke(given, NAMED if is_named else {})["messages"]
    [conversation_id] = spans.conversations()
    assert shown(spans, conversation_id) == talk("1?", "One.", "2?", "Two.", "3?", "Three.")


@pytest.mark.parametrize("wrap", ["text", "messages", "mapping"])
def test_a_function_around_a_graph_with_a_memory(wrap: str, spans: Spans) -> None:
    """The root was given one question; its result has the whole thread."""
    agent = create_agent(says("One.", "Two.", "Three."), checkpointer=InMemorySaver())
    forms: dict[str, Callable[[str], Any]] = {
        "text": lambda text: text,
        "messages": lambda text: [HumanMessage(text)],
        "mapping": lambda text: {"frage": text},
    }

    def ask(given: Any) -> Any:
        text = given if isinstance(given, str) else given["frage"] if wrap == "mapping" else given[0].content
        return agent.invoke({"messages": [("user", text)]}, thread("T"))

    for question in ("1?", "2?", "3?"):
        RunnableLambda(ask).invoke(forms[wrap](question), thread("T"))
    assert shown(spans) == talk("1?", "One.", "2?", "Two.", "3?", "Three.")


def test_another_process_goes_on_with_a_thread(spans: Spans) -> None:
    """It knows nothing of the turns before; the thread does."""
    agent = create_agent(says("One.", "Two."), checkpointer=InMemorySaver())
    agent.invoke({"messages": [("user", "1?")]}, thread("T"))
    langchain.uninstrument()
    langchain.instrument(spans.tracer, history="new")
    agent.invoke({"messages": [("user", "2?")]}, thread("T"))
    assert shown(spans) == talk("1?", "One.", "2?", "Two.")


# --- what shape it has ------------------------------------------------------------------------------


class Request(BaseModel):
    """A request of a web framework."""

    frage: str
    max_tokens: int = 5


@dataclass
class Ask:
    """The same as a dataclass."""

    frage: str
    max_tokens: int = 5


SHAPES: dict[str, Any] = {
    "text": "new?",
    "message": HumanMessage("new?"),
    "mapping like a message": {"role": "user", "content": "new?"},
    "blocks": {"role": "user", "content": [{"type": "text", "text": "new?"}]},
    "serialized": {"messages": [{"type": "human", "data": {"content": "new?"}}]},
    "pair": {"messages": [["user", "new?"]]},
    "one message": {"messages": HumanMessage("new?")},
    "one mapping": {"messages": {"role": "user", "content": "new?"}},
    "text in messages": {"messages": ["new?"]},
    "text as messages": {"messages": "new?"},
    "unusual key": {"frage": "new?"},
    "nested": {"request": {"body": {"frage": "new?"}}},
    "model": Request(frage="new?"),
    "dataclass": Ask("new?"),
    "nested model": {"request": Request(frage="new?")},
    "message under a key": {"question": HumanMessage("new?"), "lang": "en"},
    "message under any key": {"lang": "en", "talk": [("user", "new?")]},
    "usual key among others": {"lang": "en", "question": "new?", "tone": "warm"},
    "both": {"messages": [HumanMessage("new?")], "input": "new?"},
    "command": Command(update={"messages": [HumanMessage("new?")]}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape(shape: str, spans: Spans) -> None:
    """One user message with the user's words alone, and the answer."""
    RunnableLambda(lambda _: "the answer").invoke(SHAPES[shape], NAMED)
    assert shown(spans) == talk("new?", "the answer")


@pytest.mark.parametrize("way", WAYS)
def test_a_template_with_several_variables(way: str, spans: Spans) -> None:
    """The one that the model was asked is the question; what went into the system prompt is not."""
    prompt = ChatPromptTemplate.from_messages([("system", "Answer in {sprache}."), ("user", "{frage}")])
    WAYS[way](prompt | echoes() | StrOutputParser(), {"sprache": "en", "frage": "When?"}, NAMED)
    assert shown(spans) == talk("When?", "You said When?")


def test_an_agent_in_a_chain(spans: Spans) -> None:
    """The agent was asked one of the texts that the chain was given."""
    agent = create_agent(says("Three."))
    ask: Any = RunnableLambda(lambda given: {"messages": [("user", given["frage"])]})
    chain = ask | agent | RunnableLambda(lambda state: state["messages"][-1].content)
    chain.invoke({"frage": "1 + 2?", "ton": "warm"}, thread("T"))
    assert shown(spans) == talk("1 + 2?", "Three.")


def test_a_picture_in_a_template(spans: Spans) -> None:
    """It is part of what the user said."""
    picture = {"type": "image_url", "image_url": {"url": "{bild}"}}
    blocks: Any = [{"type": "text", "text": "{frage}"}, picture]
    chain = ChatPromptTemplate.from_messages([("human", blocks)]) | says("A cat.")
    chain.invoke({"frage": "What is it?", "bild": "https://example.org/a.png"}, NAMED)
    assert shown(spans) == talk("What is it?", "A cat.")
    assert "https://example.org/a.png" in str(spans.conversations()["T"][0].input)


def test_json_that_a_parser_read(spans: Spans) -> None:
    """The user saw all of it."""
    chain = ChatPromptTemplate.from_messages([("human", "{was} {wie}")]) | says('{"a": 1}')
    (chain | JsonOutputParser()).invoke({"was": "Make", "wie": "JSON"}, NAMED)
    assert shown(spans) == talk("Make JSON", '{"a": 1}')


def test_a_text_that_was_looked_up_is_not_what_the_user_said(spans: Spans) -> None:
    """The template has the question and what was found for it."""
    prompt = ChatPromptTemplate.from_messages([("user", "{context}\n\n{question}")])
    chain = RunnablePassthrough.assign(context=lambda _: "Oslo is sunny.") | prompt | echoes()
    chain.invoke({"question": "Oslo?", "lang": "no"}, NAMED)
    assert shown(spans)[0] == ("user", "Oslo?")


class Mail(TypedDict, total=False):
    """A graph that answers mails."""

    kunde: str
    mail: str
    antwort: str


@pytest.mark.parametrize("is_handler", [True, False])
def test_openai_in_a_node(is_handler: bool, spans: Spans) -> None:
    """The call of the provider's SDK says what the user said."""
    openai_sdk.instrument(spans.tracer)
    with Server(document(completion())) as server, http.Client() as client:
        sdk = openai.OpenAI(api_key="x", base_url=server.url, http_client=client, max_retries=0)

        def answer(state: Mail) -> Any:
            messages: Any = [{"role": "user", "content": state["mail"]}]
            made = sdk.chat.completions.create(model="m", messages=messages)
            return {"antwort": made.choices[0].message.content}

        graph = StateGraph(Mail).add_node("answer", answer).add_edge(START, "answer").compile()
        config: Any = thread("T")
        if is_handler:
            config = {"callbacks": [GreenflashCallbackHandler(conversation_id="T")]}
        graph.invoke({"kunde": "ada", "mail": "Where is it?"}, config)
    openai_sdk.uninstrument()
    [question, answer_shown] = shown(spans)
    assert question == ("user", "Where is it?")
    assert answer_shown[0] == "assistant"
    assert "Where" not in answer_shown[1]


def test_what_cannot_be_read_is_recorded_as_json(spans: Spans) -> None:
    """And counted."""
    before = get_counts().unread
    given: Any = {"nummer": 7, "name": "ada", "ort": "Oslo"}
    RunnableLambda(lambda _: "the answer").invoke(given, NAMED)
    assert shown(spans) == talk('{"nummer": 7, "name": "ada", "ort": "Oslo"}', "the answer")
    assert get_counts().unread == before + 1


def test_a_graph_that_speaks_first(spans: Spans) -> None:
    """Nobody said anything to it; the id of a user is not what a user said."""
    graph = StateGraph(MessagesState).add_node(
        "greet", lambda _: {"messages": [says("Hello.").invoke([SystemMessage("Greet.")])]}
    )
    graph.add_edge(START, "greet").compile().invoke({"messages": []}, thread("T"))
    assert shown(spans) == [("assistant", "Hello.")]


# --- what a graph adds -------------------------------------------------------------------------------


def test_messages_that_nodes_write_for_the_user(spans: Spans) -> None:
    """They are hidden steps, in this turn and in the ones after it."""

    def report(state: MessagesState) -> Any:
        return {"messages": [HumanMessage("the report", name="worker")]}

    graph = StateGraph(MessagesState).add_node("report", report).add_edge(START, "report")
    compiled = graph.compile(checkpointer=InMemorySaver())
    for question in ("one?", "two?"):
        compiled.invoke({"messages": [HumanMessage(question)]}, thread("T"))
    assert shown(spans) == [("user", "one?"), ("user", "two?")]
    assert [item.type for item in spans.told()].count("thought") == 2


class Talk(TypedDict, total=False):
    """A state with a field for the answer, and messages."""

    frage: str
    antwort: str
    talk: Annotated[list[Any], add_messages]


def test_a_field_of_the_turn_before_is_no_answer(spans: Spans) -> None:
    """A thread keeps its fields; only what a turn added is its answer."""

    def answer(state: Talk) -> Any:
        return {"antwort": "One."} if state["frage"] == "1?" else {}

    graph = StateGraph(Talk).add_node("answer", answer).add_edge(START, "answer")
    compiled = graph.compile(checkpointer=InMemorySaver())
    for question in ("1?", "2?"):
        compiled.invoke({"frage": question}, thread("T"))
    assert shown(spans) == [("user", "1?"), ("assistant", "One."), ("user", "2?")]


@pytest.mark.parametrize(
    "returned",
    [
        {"answer": "the answer", "sources": ["a", "b"]},
        {"output": AIMessage("the answer")},
        {"antwort": "the answer"},
        {"frage": "rewritten", "antwort": "the answer"},
        {"frage": "new?", "lang": "en", "generation": "the answer", "score": 0.5},
        {"messages": [HumanMessage("new?"), AIMessage("the answer")]},
        {"agent": {"messages": [HumanMessage("new?"), AIMessage("the answer")]}},
        [HumanMessage("new?"), AIMessage("the answer")],
        AIMessage("the answer"),
    ],
    ids=str,
)
def test_what_is_the_answer(returned: Any, spans: Spans) -> None:
    """The text alone, without what the input had."""
    RunnableLambda(lambda _: returned).invoke({"frage": "new?", "lang": "en"}, NAMED)
    assert shown(spans)[-1] == ("assistant", "the answer")
    assert len(shown(spans)) == 2


def test_the_words_of_the_user_are_no_answer(spans: Spans) -> None:
    """A chain that hands its input on has answered nothing."""
    chain: Any = RunnablePassthrough()
    chain.invoke("new?", NAMED)
    RunnableLambda(lambda given: given).invoke({"question": "and?", "lang": "en"}, NAMED)
    assert shown(spans) == [("user", "new?"), ("user", "and?")]
