"""Builds the graph of a turn from its plan."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, TypedDict

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send, interrupt

from tests.chat import client_saying
from tests.instrumentation.langchain.models import asks, says
from tests.wild_graphs.background import Background
from tests.wild_graphs.plans import Step, StepKind, ToolKind, Turn

PROMPT = "You are a guide."


class State(TypedDict, total=False):
    """Messages, and keys that no user sees."""

    messages: Annotated[list[BaseMessage], add_messages]
    notes: Annotated[list[str], operator.add]
    topic: str


@dataclass
class Happened:
    """What a run shows, and which tools it called, as it is played."""

    shown: list[tuple[str, str]] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    """The result that counts of each tool call, by its id."""
    hidden: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    """What models said in the background: each is a hidden step."""
    _count: int = 0

    def make_text(self, what: str) -> str:
        """Return words that nobody has said: two texts have hardly any in common."""
        self._count += 1
        digest = hashlib.sha256(str(self._count).encode()).hexdigest()
        return " ".join([what, *(digest[at : at + 5] for at in range(0, 20, 5))])

    def hide(self, what: str) -> str:
        """Return words that no user sees."""
        self.hidden.append(text := self.make_text(what))
        return text


Node: TypeAlias = Any
"""What `StateGraph.add_node` takes."""


class GraphOfTurn:
    """Builds the nodes of one turn, and knows what they say."""

    def __init__(self, turn: Turn, happened: Happened, question: str, *, has_prompt: bool) -> None:
        self.question = question
        self._turn, self._happened, self._has_prompt = turn, happened, has_prompt
        self.call = turn.call
        self.preambles: list[str] = []
        """What models said when they called tools: the user saw it."""
        self.last_draft: str | None = None
        """What the graph has as its last answer when it asks back: the user sees it with the question."""
        self.background = Background()
        self._drafts: list[str] = []

    def compile(self, checkpointer: Any) -> Any:
        """Return the graph: its steps one after the other, perhaps an interrupt, then the answer."""
        graph = StateGraph(State)
        last = START
        for number, step in enumerate(self._turn.steps):
            last = self._add(graph, last, f"{step.kind}_{number}", step)
        if self._turn.asks_back:
            question = self._happened.make_text("ask back")
            graph.add_node("asks_back", lambda state: {"notes": [interrupt(question)]})
            graph.add_edge(last, "asks_back")
            last = "asks_back"
            self.question_back: str | None = question
        else:
            self.question_back = None
        self.answers = [self._happened.make_text("answer") for _ in range(self._turn.bubbles)]
        graph.add_node("answers", self._answer)
        graph.add_edge(last, "answers")
        graph.add_edge("answers", END)
        return graph.compile(checkpointer=checkpointer)

    def _answer(self, state: State) -> Any:
        prompt = [SystemMessage(PROMPT)] if self._has_prompt else []
        first = says(*self.answers[:1]).invoke([*prompt, *state["messages"]])
        return {"messages": [first, *map(AIMessage, self.answers[1:])]}

    def _add(self, graph: StateGraph[Any], last: str, name: str, step: Step) -> str:
        if step.kind == "fans_out":
            workers = [self._happened.hide("worker") for _ in range(2)]
            graph.add_node(f"{name}_each", lambda text: {"notes": [says(text).invoke("look it up").text]})
            graph.add_node(f"{name}_all", lambda state: {})
            graph.add_conditional_edges(
                last, lambda state: [Send(f"{name}_each", text) for text in workers], [f"{name}_each"]
            )
            graph.add_edge(f"{name}_each", f"{name}_all")
            return f"{name}_all"
        graph.add_node(name, self._make_node(step))
        graph.add_edge(last, name)
        return name

    def _make_node(self, step: Step) -> Any:
        hide = self._happened.hide
        match step.kind:
            case "notes":
                note = hide("note")
                return lambda state: {"notes": [note], "topic": note}
            case "classifies":
                return self._make_classifier(hide("topic"))
            case "drafts":
                draft = self._add_draft(hide("draft"))
                return lambda state: {"messages": [says(draft).invoke(state["messages"])]}
            case "criticises":
                critique = hide("critique")
                return lambda state: {
                    "messages": [HumanMessage(says(critique).invoke(state["messages"]).text, name="critic")]
                }
            case "reminds":
                reminder = hide("reminder")
                return lambda state: {"messages": [HumanMessage(reminder)]}
            case "calls_openai":
                return self._make_openai_node(hide("rewritten"))
            case "subgraph":
                inner = StateGraph(State)
                inner.add_node("inner", self._make_classifier(hide("inner topic")))
                inner.add_edge(START, "inner")
                return inner.compile()
            case "background":
                return self._make_background(step)
            case "agent":
                return self._make_agent(step.tools)
        return self._make_editor(step.kind)

    def _add_draft(self, text: str) -> str:
        self._drafts.append(text)
        self.last_draft = text
        return text

    def _make_editor(self, kind: StepKind) -> Node:
        """Make a node that changes messages which are there, by their ids."""
        drafts, rewritten = list(self._drafts), self._happened.hide("rewritten")
        quoted = self._happened.make_text("page that was open")
        if kind == "removes":
            self._drafts.clear()
            self.last_draft = None
        elif kind == "rewrites" and drafts:
            self._drafts[-1] = self.last_draft = rewritten

        def edit(state: State) -> Any:
            messages = state["messages"]
            mine = [message for message in messages if message.type == "ai" and message.text in drafts]
            question = next(
                at for at in range(len(messages) - 1, -1, -1) if messages[at].text.startswith(self.question)
            )
            match kind:
                case "removes":
                    return {"messages": [RemoveMessage(str(entry.id)) for entry in mine]}
                case "rewrites":
                    return {"messages": [AIMessage(rewritten, id=entry.id) for entry in mine[-1:]]}
                case "quotes":
                    asked = messages[question]
                    return {"messages": [HumanMessage(f"{self.question}\n\n{quoted}", id=asked.id)]}
            return {"messages": [RemoveMessage(str(message.id)) for message in messages[:question]]}

        return edit

    def _make_background(self, step: Step) -> Node:
        """Make a node that starts what nobody waits for."""
        text = self._happened.hide("in the background")
        self._happened.steps.append(text)

        def start_thread(state: State, config: RunnableConfig) -> Any:
            options: Any = {"config": config} if step.background == "thread with config" else {}
            self.background.start_thread(
                lambda: says(text).invoke("Think of a title.", **options),
                is_late=step.is_late,
                has_context=not options,
            )
            return {}

        async def start_task(state: State) -> Any:
            self.background.start_task(lambda: says(text).ainvoke("Think of a title."), is_late=step.is_late)
            return {}

        is_async = self._turn.call in ("ainvoke", "astream")
        return start_task if step.background == "task" and is_async else start_thread

    def _make_classifier(self, topic: str) -> Node:
        chain = says(topic) | RunnableLambda(lambda answer: answer.text)
        return lambda state: {"topic": chain.invoke([SystemMessage("Sort it."), *state["messages"]])}

    def _make_openai_node(self, text: str) -> Node:
        def call(state: State) -> Mapping[str, Any]:
            with client_saying([text]) as client:
                answer = client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "Rewrite: " + text[::-1]}]
                )
            return {"topic": answer.choices[0].message.content}

        return call

    def _make_agent(self, kinds: tuple[ToolKind, ...]) -> Any:
        """Make an agent by hand: what runs its tools catches what they raise, as people write it."""
        ids = [f"call_{self._happened.make_text('call').split()[-1]}" for _ in kinds]
        self._happened.results |= {id: self._happened.hide("result") for id in ids}
        look_up = make_tool(self._happened.results)
        calls = [("look_up", {"id": id, "kind": kind}, id) for id, kind in zip(ids, kinds, strict=True)]
        self.preambles.append(preamble := self._happened.make_text("preamble"))
        asking, draft = asks(*calls, text=preamble), self._happened.hide("agent draft")
        self._add_draft(draft)
        agent = StateGraph(State)
        agent.add_node("ask", lambda state: {"messages": [says(asking).invoke(state["messages"])]})
        agent.add_node(
            "run", lambda state: {"messages": [run_tool(look_up, call) for call in asking.tool_calls]}
        )
        agent.add_node("draft", lambda state: {"messages": [says(draft).invoke(state["messages"])]})
        agent.add_edge(START, "ask").add_edge("ask", "run").add_edge("run", "draft")
        return agent.compile()


def make_tool(results: Mapping[str, str]) -> BaseTool:
    """Return a tool that raises at times; what it says is in ``results``."""
    tried = set[str]()

    @tool
    def look_up(id: str, kind: str) -> str:
        """Look something up."""
        is_first = id not in tried
        tried.add(id)
        if kind == "fails" or (kind == "retries" and is_first):
            raise ValueError(results[id] if kind == "fails" else "try again")
        return results[id]

    return look_up


def run_tool(look_up: BaseTool, call: Any) -> Any:
    """Run a tool, twice where that helps, and tell the model what it raised."""
    try:
        return look_up.invoke({**call, "type": "tool_call"})
    except ValueError as error:
        if call["args"]["kind"] == "retries":
            return look_up.invoke({**call, "type": "tool_call"})
        return ToolMessage(str(error), tool_call_id=call["id"], status="error")
