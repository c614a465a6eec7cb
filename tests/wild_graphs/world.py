"""Plays a plan with LangGraph, and compares what arrives with what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from greenflash_otel.conversations.update import MessageItem
from tests.fidelity.truth import find_words
from tests.wild_graphs.graphs import GraphOfTurn, Happened
from tests.wild_graphs.plans import Plan

WINDOW = 4
"""Messages that an application keeps which keeps a window: two turns."""


def play(plan: Plan, thread: str) -> Happened:
    """Have the conversation; return what happened in it."""
    happened, saver = Happened(), InMemorySaver() if plan.memory == "checkpointer" else None
    history: list[Any] = []
    for turn in plan.turns:
        text = happened.make_text("question")
        graph = GraphOfTurn(turn, happened, text, has_prompt=plan.has_prompt)
        runnable = graph.compile(saver)
        happened.shown += [("user", text), *(("assistant", preamble) for preamble in graph.preambles)]
        config = {"configurable": {"thread_id": thread}}
        state = run(runnable, {"messages": [*history, make_question(plan, text)]}, config, graph)
        if graph.question_back is not None:
            reply = happened.make_text("reply")
            if graph.last_draft is not None:
                happened.shown.append(("assistant", graph.last_draft))
            happened.shown += [("assistant", graph.question_back), ("user", reply)]
            state = run(runnable, Command(resume=reply), config, graph)
        happened.shown += [("assistant", answer) for answer in graph.answers]
        history = remember(plan, happened, state)
    return happened


def make_question(plan: Plan, text: str) -> Any:
    """Return what the user says in the form that the application uses."""
    match plan.question:
        case "tuple":
            return ("user", text)
        case "dict":
            return {"role": "user", "content": text}
    return HumanMessage(text)


def remember(plan: Plan, happened: Happened, state: Mapping[str, Any]) -> list[Any]:
    """Return what the application sends before the next question."""
    transcript = [(role, text) for role, text in happened.shown]
    match plan.memory:
        case "checkpointer":
            return []
        case "resent":
            return list(state["messages"])
        case "window":
            return transcript[-WINDOW:]
    return transcript


def run(runnable: Any, value: Any, config: Any, graph: GraphOfTurn) -> Mapping[str, Any]:
    """Call the graph in the way of the turn; return its end state. What it started ends afterwards."""
    try:
        match graph.call:
            case "invoke":
                return dict(runnable.invoke(value, config))
            case "stream":
                return dict(list(runnable.stream(value, config, stream_mode="values"))[-1])
        return dict(asyncio.run(_run_async(runnable, value, config, graph)))
    finally:
        graph.background.finish()


async def _run_async(runnable: Any, value: Any, config: Any, graph: GraphOfTurn) -> Any:
    if graph.call == "ainvoke":
        state = await runnable.ainvoke(value, config)
    else:
        state = [chunk async for chunk in runnable.astream(value, config, stream_mode="values")][-1]
    await graph.background.finish_tasks()
    return state


def find_mistakes(happened: Happened, arrived: Mapping[str, Sequence[MessageItem]]) -> list[str]:
    """Return what is wrong with what arrived, in words; nothing if it is what happened."""
    mistakes = [] if len(arrived) == 1 else [f"{len(arrived)} conversations"]
    items = [item for found in arrived.values() for item in found]
    ordered = sorted(items, key=lambda item: item.created_at_ms)
    sides = {"user_message": "user", "assistant_message": "assistant", "final_response": "assistant"}
    shown = [(sides[item.type], item.content) for item in ordered if item.type in sides]
    if shown != happened.shown:
        mistakes.append(f"shown is {shown}, not {happened.shown}")
    places = {item.id: place for place, item in enumerate(ordered)}
    if len(places) < len(items):
        mistakes.append("a message came twice")
    for place, item in enumerate(ordered):
        if item.parent_id is not None and places.get(item.parent_id, place) >= place:
            mistakes.append(f"{item.type} “{find_words(item)}” comes before its parent, or without it")
    for text in happened.steps:
        found = [item.type for item in items if text in find_words(item)]
        if found != ["llm"]:
            mistakes.append(f"the step “{text}” arrived as {found}")
    return [*mistakes, *_find_mistakes_of_tools(happened, items)]


def _find_mistakes_of_tools(happened: Happened, items: Sequence[MessageItem]) -> list[str]:
    mistakes = []
    for id, result in happened.results.items():
        calls = [item for item in items if item.type == "tool_call" and id in find_words(item)]
        results = [
            item
            for item in items
            if item.type in ("observation", "tool_error") and result in find_words(item)
        ]
        if len(calls) != 1:
            mistakes.append(f"the call {id} arrived {len(calls)} times")
        if not results or {item.parent_id for item in results} != {item.id for item in calls}:
            mistakes.append(f"the result of {id} arrived {len(results)} times, or not below its call")
    return mistakes
