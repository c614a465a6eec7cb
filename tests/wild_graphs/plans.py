"""What a wild application does: values that say how a graph is built, how it is called, and what a user saw.

A plan is drawn by hypothesis. `graphs` builds the graph of each turn from it, `world` calls it. Every text is said
once in a run, so that a test finds it wherever it arrives. What a plan says is shown, and only that::

    Plan(turns=[Turn(steps=(Step("classifies"), Step("agent", tools=("fails",))), bubbles=1)], memory="resent")

        user       T0 asks
                   T0 a model sorts the question: hidden
                   T0 an agent calls a tool, which raises, and drafts an answer: hidden
        assistant  T0 answers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hypothesis import strategies as st

StepKind: TypeAlias = Literal[
    "notes",
    "classifies",
    "drafts",
    "criticises",
    "reminds",
    "agent",
    "subgraph",
    "fans_out",
    "calls_openai",
    "removes",
    "rewrites",
    "quotes",
    "forgets",
    "background",
]
"""A node removes drafts, rewrites the last one, puts context into the question, removes old turns: by message ids."""
Background: TypeAlias = Literal["thread", "thread with config", "task"]
"""Who does what nobody waits for: a thread in the context of the node, one that is given its config, or a task."""
ToolKind: TypeAlias = Literal["works", "fails", "retries"]
Memory: TypeAlias = Literal["checkpointer", "resent", "transcript", "window"]
"""Who remembers: LangGraph, or the application, which resends the end state, or what was seen, or two turns of it."""
Call: TypeAlias = Literal["invoke", "ainvoke", "stream", "astream"]
Question: TypeAlias = Literal["tuple", "dict", "message"]


@dataclass(frozen=True)
class Step:
    """A node before the answer. Nothing of it is shown."""

    kind: StepKind
    tools: tuple[ToolKind, ...] = ()
    """Of an agent: what happens to the tools it calls at once."""
    background: Background = "thread"
    is_late: bool = False
    """Whether what works in the background waits until the call of the graph is over."""


@dataclass(frozen=True)
class Turn:
    """One call of the graph."""

    steps: tuple[Step, ...] = ()
    bubbles: int = 1
    """How many messages of one node answer."""
    asks_back: bool = False
    """Whether a node interrupts before the answer, and the user replies."""
    call: Call = "invoke"


@dataclass(frozen=True)
class Plan:
    """One conversation."""

    turns: tuple[Turn, ...]
    memory: Memory = "checkpointer"
    question: Question = "tuple"
    has_prompt: bool = False


TOOLS: st.SearchStrategy[ToolKind] = st.sampled_from(["works", "fails", "retries"])
PLAIN: st.SearchStrategy[StepKind] = st.sampled_from(
    ["notes", "classifies", "drafts", "criticises", "reminds", "subgraph", "fans_out", "calls_openai"]
)
EDITS: st.SearchStrategy[StepKind] = st.sampled_from(["removes", "rewrites", "quotes", "forgets"])
BACKGROUNDS: st.SearchStrategy[Background] = st.sampled_from(["thread", "thread with config", "task"])
STEPS = st.one_of(
    st.builds(Step, PLAIN),
    st.builds(Step, EDITS),
    st.builds(Step, st.just("background"), st.just(()), BACKGROUNDS, st.booleans()),
    st.builds(Step, st.just("agent"), st.lists(TOOLS, min_size=1, max_size=2).map(tuple)),
)
CALLS: st.SearchStrategy[Call] = st.sampled_from(["invoke", "ainvoke", "stream", "astream"])


def _make_turns(may_ask_back: bool) -> st.SearchStrategy[tuple[Turn, ...]]:
    asks_back = st.booleans() if may_ask_back else st.just(False)
    steps = st.lists(STEPS, max_size=3).map(tuple)
    turn = st.builds(Turn, steps, st.sampled_from([1, 1, 2]), asks_back, CALLS)
    return st.lists(turn, min_size=1, max_size=3).map(tuple)


QUESTIONS: st.SearchStrategy[Question] = st.sampled_from(["tuple", "dict", "message"])
REMEMBERS: st.SearchStrategy[Memory] = st.sampled_from(["resent", "transcript", "window"])
PLANS = st.one_of(
    st.builds(Plan, _make_turns(True), st.just("checkpointer"), QUESTIONS, st.booleans()),
    st.builds(Plan, _make_turns(False), REMEMBERS, QUESTIONS, st.booleans()),
)
"""An interrupt needs a checkpointer."""
