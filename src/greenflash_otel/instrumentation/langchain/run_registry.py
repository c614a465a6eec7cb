"""The runs that LangChain describes, while their turn goes on: which belong together, and which are over.

Handlers share them, so that a run which two of ours see is recorded once. Ends are not always reported: a cancelled
call just stops. So a run is also over when nothing in the process knows its id any more, which LangChain's
own objects for a running call do; and a turn that is idle for `IDLE_S` is given up.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, Span

from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.langchain.config import LangChainConfig, Source
from greenflash_otel.instrumentation.langchain.message_forms import SeenMessage
from greenflash_otel.instrumentation.langchain.root_input import Given
from greenflash_otel.instrumentation.langchain.running_config import read_running_id
from greenflash_otel.instrumentation.langchain.unread_call import UnreadCall
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import (
    ConversationContext,
    Ending,
    Failure,
    Operation,
    PromptTemplate,
)

if TYPE_CHECKING:
    from greenflash_otel.instrumentation.langchain.run_context import Live
    from greenflash_otel.instrumentation.langchain.step import Step

Kind: TypeAlias = Literal["chain", "model", "tool", "retriever", "store", "decision", "parser"]

OUT_OF_TALK: frozenset[Kind] = frozenset({"decision", "parser"})
"""Kinds of runs that are no part of what is said, nor is what runs in them, also if they are called alone."""

IDLE_S = 3_600.0
"""A turn in which nothing has begun or ended for so long is given up."""
TURNS = 10_000
"""Turns that go on at once; beyond that the one idle longest is given up."""
OVER = 20_000
"""Ids of runs whose turn is over that are remembered, because steps of it may still begin."""


@dataclass(frozen=True, slots=True)
class EndedTurn:
    """Where a step belongs that is late: its turn is over."""

    source: Source
    conversation_context: ConversationContext
    """That of a hidden step of the turn."""
    own_context: ConversationContext
    """What the application's blocks said when the turn began."""
    names: Set[str]
    """Every id that its config named."""
    span: Span
    """Stands for the turn's, which has ended."""


@dataclass(eq=False, slots=True)
class Run:
    """One step, as LangChain describes it."""

    key: int
    kind: Kind
    name: str
    parent: Run | None
    turn: Turn
    live: Live
    started_ns: int
    operation: Operation | None = None
    """What is known at its beginning, if it is recorded as a step of its own."""
    invocation: Invocation | None = None
    tool_call_id: str | None = None
    is_graph: bool = False
    open: bool = True
    first_chunk_s: float | None = None
    chunks: list[Any] = field(default_factory=list)
    """What a model has answered so far, as LangChain handed it out."""
    prompt: str | None = None
    """The system prompt of a model call."""
    prompt_template: PromptTemplate | None = None
    """What `prompt` was made from."""
    unread: UnreadCall | None = None
    """What a model was given, where that is read later."""
    id: weakref.ref[UUID] | None = None

    def list_ancestors(self) -> list[Run]:
        """Return the runs around it, from the inside out."""
        ancestors, run = list[Run](), self.parent
        while run is not None:
            ancestors.append(run)
            run = run.parent
        return ancestors

    @property
    def is_turn(self) -> bool:
        """Whether its operation records a whole turn."""
        return self.parent is None and self.kind == "chain"

    @property
    def within_tool(self) -> str | None:
        """Call id of the tool it runs in."""
        run = self.parent
        while run is not None:
            if run.kind == "tool":
                return run.tool_call_id
            run = run.parent
        return None

    @property
    def is_auxiliary(self) -> bool:
        """Whether it is part of what a tool, a decision, or a graph within the graph does."""
        inner = (
            run.kind == "tool" or run.kind in OUT_OF_TALK or (run.is_graph and run.parent is not None)
            for run in self.list_ancestors()
        )
        return any(inner)


@dataclass(eq=False)
class Turn:
    """What one call of the application does, from its beginning to the end of its last step."""

    source: Source
    conversation_context: ConversationContext
    root: Run = field(init=False)
    given: Given = field(default_factory=Given)
    state: Sequence[SeenMessage] | None = None
    """The messages that the first node of a graph was given."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The fields of that state."""
    seen: list[tuple[Any, Given]] = field(default_factory=list)
    """What the first steps were given, of a chain that is streamed: its own input is reported at its end."""
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    """The tool calls that nodes were given."""
    outputs: Any = None
    answered: bool = False
    """Whether the root has returned something."""
    ending: Ending = "completed"
    failure: Failure | None = None
    steps: list[Step] = field(default_factory=list)
    questions: dict[str, str] = field(default_factory=dict)
    """What interrupts ask, by their ids."""
    keys: list[int] = field(default_factory=list)
    open: int = 0
    end_ns: int | None = None
    """When the root ended."""
    active_s: float = 0.0
    """When something last began or ended, by ``time.monotonic()``."""
    searched: int = 0
    """In how many places the conversation was looked for."""
    own_context: ConversationContext = field(default_factory=ConversationContext)
    """What the application's blocks said when it began."""
    names: set[str] = field(default_factory=set)
    """Every id that its config, and those of its steps, named."""
    asked_after: int = 0
    """How many steps were over when code in it last wanted to know its conversation, as calls of other SDKs do."""
    asked: bool = False
    """Whether any did."""
    node_outputs: list[Sequence[Any]] = field(default_factory=list)
    """The messages of nodes that gave several."""
    over: bool = False
    """Whether its root has ended; steps of it may go on."""
    ended: EndedTurn | None = None
    """What is remembered of it; None while its root goes on."""
    finish: Callable[[Turn], None] | None = None
    interrupt: Callable[[Turn, Sequence[Run]], None] | None = None
    """Notes how far the runs had come that go on when the turn is given up."""

    @property
    def instrumentation(self) -> LangChainConfig:
        """The instrumentation that records it."""
        return self.source.instrumentation

    def abandon(self) -> None:
        """Give up what goes on: the end of the process."""
        RUNS.give_up(self)

    def leave(self, error: BaseException) -> None:
        """Give it up because ``error`` left the block it began in."""
        if not self.over:
            open_operations.abandon_when_safe(self)

    def discard(self) -> None:
        """Forget it without a trace."""
        self.over = True
        for invocation in (self.root.invocation, *(step.run.invocation for step in self.steps)):
            if invocation is not None:
                invocation.discard()


class Runs:
    """All runs of the process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may interrupt its owner
        self._runs: dict[int, Run] = {}
        self._turns: OrderedDict[Turn, None] = OrderedDict()
        self._over: LruDict[int, EndedTurn] = LruDict(OVER)
        self._lost: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._runs)

    def find_by_name(self, id: UUID) -> Run | None:
        """Return a run of a turn that continues."""
        return self._runs.get(id.int)

    def find_by_key(self, key: int) -> Run | None:
        """Return the same by its key."""
        return self._runs.get(key)

    def find_running(self) -> Run | None:
        """Return the run whose config the running code has."""
        id = read_running_id()
        return None if id is None else self._runs.get(id.int)

    def is_known(self, id: UUID) -> bool:
        """Return whether a run was recorded already, as another handler has described it."""
        return id.int in self._runs or id.int in self._over

    def find_ended(self, id: UUID | None) -> EndedTurn | None:
        """Return the turn of a run, if that turn is over."""
        if id is None:
            return None
        run = self._runs.get(id.int)
        return self._over.get(id.int) if run is None else run.turn.ended

    def find_ended_running(self) -> EndedTurn | None:
        """Return the turn, if that is over, of the run whose config the running code has."""
        return self.find_ended(read_running_id())

    def find_running_source(self) -> Source | None:
        """Return where the spans of the run go, or went, whose config the running code has."""
        if (run := self.find_running()) is not None:
            return run.turn.source
        ended = self.find_ended_running()
        return None if ended is None else ended.source

    def find_ended_around(self, key: int) -> EndedTurn | None:
        """Return the turn of a run, if that is over and the running code has a config of it still."""
        run = self._runs.get(key)
        ended = self._over.get(key) if run is None else run.turn.ended
        return ended if ended is not None and ended is self.find_ended_running() else None

    def remember_late(self, id: UUID, ended: EndedTurn) -> None:
        """Note that a run only groups steps of a turn that is over."""
        with self._lock:
            self._over.remember(id.int, ended)

    def add(self, run: Run, id: UUID) -> None:
        """Note that a run has begun."""
        key, lost = run.key, self._lost
        run.id = weakref.ref(id, lambda _: lost.append(key))
        with self._lock:
            self._runs[key] = run
            turn = run.turn
            turn.keys.append(key)
            turn.open += 1
            turn.active_s = time.monotonic()
            self._turns[turn] = None
            self._turns.move_to_end(turn)

    def get(self, id: UUID) -> Run | None:
        """Return a run that continues."""
        run = self._runs.get(id.int)
        return run if run is not None and run.open else None

    def add_step(self, step: Step) -> bool:
        """Add a step that is over to its turn; False if the turn was over before."""
        with self._lock:
            if step.run.turn.over:
                return False
            step.run.turn.steps.append(step)
            return True

    def close(self, run: Run) -> Turn | None:
        """Note that a run is over; its turn, if that is over with it: what else goes on in it is late."""
        run.live.end()
        run.id = None
        with self._lock:
            if not run.open:
                return None
            run.open = False
            turn = run.turn
            turn.open -= 1
            turn.active_s = time.monotonic()
            finished = run is turn.root and self._end(turn)
            if not turn.open:
                self._forget(turn)
            return turn if finished else None

    def list_open(self, turn: Turn) -> list[Run]:
        """Return the runs of a turn that continue."""
        with self._lock:
            return [run for key in turn.keys if (run := self._runs.get(key)) and run.open]

    def list_lost(self) -> list[Run]:
        """Return runs that continue for nobody: their ids are forgotten."""
        lost = list[Run]()
        while self._lost:
            try:
                key = self._lost.popleft()
            except IndexError:  # another thread was quicker
                break
            run = self._runs.get(key)
            if run is not None and run.open:
                lost.append(run)
        return lost

    def is_untidy(self, now_s: float) -> bool:
        """Return whether a run is lost, or a turn may be idle: the one idle longest is first. Waits for nobody."""
        try:
            longest = next(iter(self._turns), None)
        except RuntimeError:  # another thread has begun a turn at this moment
            return True
        is_idle = longest is not None and longest.active_s + IDLE_S <= now_s
        return is_idle or bool(self._lost) or len(self._turns) > TURNS

    def list_idle(self, now_s: float) -> list[Turn]:
        """Return turns in which nothing has happened for too long, or that are too many."""
        with self._lock:
            late = list[Turn]()
            for turn in self._turns:
                if len(self._turns) - len(late) <= TURNS and turn.active_s + IDLE_S > now_s:
                    break
                late.append(turn)
        return late

    def list_turns(self) -> list[Turn]:
        """Return the turns that continue."""
        with self._lock:
            return list(self._turns)

    def give_up(self, turn: Turn) -> None:
        """End a turn with all that goes on in it."""
        with self._lock:
            going_on = self.list_open(turn)
            for run in going_on:
                run.open = False
                run.live.end()
            turn.open = 0
        if turn.interrupt is not None and (going_on or not turn.over):
            turn.interrupt(turn, going_on)
        with self._lock:
            finished = self._end(turn)
            self._forget(turn)
        if finished and turn.finish is not None:
            turn.finish(turn)

    def _end(self, turn: Turn) -> bool:
        """Note that the root of a turn has ended; False if it had before."""
        if turn.over:
            return False
        turn.over = True
        span = turn.root.invocation.span if turn.root.invocation is not None else None
        turn.ended = EndedTurn(
            turn.source,
            replace(turn.conversation_context, internal=True, tool_call_id=None),
            turn.own_context,
            frozenset(turn.names),
            NonRecordingSpan(INVALID_SPAN_CONTEXT if span is None else span.get_span_context()),
        )
        return True

    def _forget(self, turn: Turn) -> None:
        """Remember of a turn only where late steps of it belong."""
        self._turns.pop(turn, None)
        for key in turn.keys:
            self._runs.pop(key, None)
            if turn.ended is not None:
                self._over.remember(key, turn.ended)
        turn.keys.clear()


RUNS = Runs()
"""Those of this process."""
