"""Say which conversation, user and organization the running code works for.

`conversation()` puts a `ConversationContext` on the OpenTelemetry context, so it follows whatever carries
that: ``await``, tasks, ``contextvars.copy_context()``, explicit contexts. Instrumentations read it with
`get_current_conversation_context()`. Nothing here knows spans, threads or Greenflash's API.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType, FunctionType, MethodType, TracebackType
from typing import Any, Protocol, TypeVar, cast, overload

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from greenflash_otel import lost_contexts
from greenflash_otel.arguments import Id, Properties
from greenflash_otel.block import BegunBlock, Block, find_runner
from greenflash_otel.context_arguments import make_conversation_context
from greenflash_otel.conversation_baggage import read_conversation, write_conversation
from greenflash_otel.conversation_handle import Conversation
from greenflash_otel.model.operation import ConversationContext, nest_context
from greenflash_otel.open_set import OpenSet
from greenflash_otel.scope_decorators import decorate

_KEY = otel_context.create_key("greenflash-conversation-context")
_NOBODY = ConversationContext()

F = TypeVar("F", bound=Callable[..., Any])


def get_conversation_context(context: Context | None = None) -> ConversationContext:
    """Return the conversation context in ``context``, by default the current one; an empty one outside any scope."""
    frame = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY, context))
    while isinstance(frame, ProvidedContext):
        if (conversation_context := frame.provider.get_conversation_context()) is not None:
            return conversation_context
        frame = frame.below
    if context is None or context is otel_context.get_current():
        frame = _find_frame_of_generator(frame)
    return frame.conversation.read_context() if frame else _NOBODY


class ContextProvider(Protocol):
    """Something that continues in a context, of which its instrumentation learns only the beginning."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        ...

    def get_conversation_context(self) -> ConversationContext | None:
        """Return what it provides to the running code; None: nothing, so what was there before it applies."""
        ...


def with_provider(provider: ContextProvider, context: Context) -> Context:
    """Return ``context`` with a conversation context that applies where, and as long as, ``provider`` says."""
    below = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY, context))
    while isinstance(below, ProvidedContext) and below.provider.over:
        below = below.below
    return otel_context.set_value(_KEY, ProvidedContext(provider, below), context)


def current_provider() -> ContextProvider | None:
    """Return the innermost provider that still runs and was begun in this context."""
    frame = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY))
    while isinstance(frame, ProvidedContext) and frame.provider.over:
        frame = frame.below
    return frame.provider if isinstance(frame, ProvidedContext) else None


def get_own_conversation_context() -> ConversationContext:
    """Return the conversation context of the application, whatever instrumentations provided since."""
    frame = _own_frame()
    return frame.conversation.read_context() if frame else _NOBODY


def has_left_own_block() -> bool:
    """Return whether the application's block is over that the running code took its context from."""
    frame = _own_frame()
    return frame is not None and frame.block.over


def without_providers(context: Context) -> Context:
    """Return ``context`` as the application made it."""
    return otel_context.set_value(_KEY, _own_frame(), context)


def without_conversation(context: Context) -> Context:
    """Return ``context`` outside of every conversation."""
    return otel_context.set_value(_KEY, None, context)


def find_context_to_carry() -> Context | None:
    """Return the current context, for code elsewhere that belongs to the same conversation; None outside of any."""
    here, frame = otel_context.get_current(), _own_frame()
    if frame is not _frame_in(here):  # that of a generator, whose steps have lost it
        here = otel_context.set_value(_KEY, frame, here)
    return None if otel_context.get_value(_KEY, here) is None else here


def is_in_conversation_of(context: Context) -> bool:
    """Return whether the running code has the conversation of ``context`` already."""
    return otel_context.get_value(_KEY) is otel_context.get_value(_KEY, context)


def _own_frame() -> _Frame | None:
    return _find_frame_of_generator(_frame_in(None))


def _frame_in(context: Context | None) -> _Frame | None:
    """Return the application's block in a context."""
    frame = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY, context))
    while isinstance(frame, ProvidedContext):
        frame = frame.below
    return frame


def _find_frame_of_generator(frame: _Frame | None) -> _Frame | None:
    """Return the block that a generator on the stack is in, if the context of its step has lost it; else ``frame``."""
    if not len(_in_generators):
        return frame
    caller = sys._getframe(1)
    if (generator_frame := _in_generators.find(caller)) is None:
        return frame
    while frame is not None and _in_generators.is_suspended(frame.block, caller):
        frame = _frame_in(frame.outer)  # that of another generator, which its reader reads by turns
    inner = frame
    while inner is not None:
        if inner.block is generator_frame.block:
            return frame
        inner = _frame_in(inner.outer)
    return generator_frame


def get_current_conversation_context() -> ConversationContext:
    """Return the conversation context of the running code; an empty one outside any `conversation()`."""
    conversation_context = get_conversation_context()
    if conversation_context.conversation_id is None and conversation_context.scope_id is None:
        lost_contexts.warn_of_other_thread()
    return conversation_context


def current_conversation() -> str | None:
    """Return the id of the active conversation, as `Conversation.conversation_id` does; None outside any."""
    frame, context = _own_frame(), _NOBODY
    if frame is None or isinstance(otel_context.get_value(_KEY), ProvidedContext):
        context = get_conversation_context()
    if frame is None or context.conversation_id is not None:
        return context.conversation_id
    return frame.conversation.conversation_id or None


def note_begun_here(begun: BegunBlock) -> None:
    """Note that ``begun`` was begun by the running code, whose blocks end it when they are cancelled."""
    frame, runner = _own_frame(), None
    while frame is not None:
        runner = runner or find_runner()
        frame.block.begun.add(begun, runner)
        frame = _frame_in(frame.outer)


def conversation_for_feedback() -> str | None:
    """Return the conversation an outcome or a rating is about: the active one, else that of the calling service."""
    conversation_context = get_current_conversation_context()
    if conversation_context.conversation_id or conversation_context.scope_id:
        return conversation_context.conversation_id
    return read_conversation()


@overload
def conversation(id: F, /) -> F: ...


@overload
def conversation(
    id: Id | None = None,
    *,
    user_id: Id | None = None,
    organization_id: Id | None = None,
    properties: Properties | None = None,
    message_properties: Properties | None = None,
    sample_rate: float | None = None,
    force_sample: bool | None = None,
    greenflash_conversation_id: Id | None = None,
) -> Scope: ...


def conversation(
    id: Any = None,
    *,
    user_id: Id | None = None,
    organization_id: Id | None = None,
    properties: Properties | None = None,
    message_properties: Properties | None = None,
    sample_rate: float | None = None,
    force_sample: bool | None = None,
    greenflash_conversation_id: Id | None = None,
) -> Any:
    """Say whose conversation the enclosed code works for.

    Use it as ``with``, as ``async with``, or as a decorator of a function, coroutine function, generator
    or async generator. Scopes nest: an inner one takes what it leaves out from the outer one, and adds to
    its properties. Under a new ``id`` an inner one starts without the outer one's properties.

    An argument that is not as it should be is repaired with a warning.

    Args:
        id: Your name for the conversation, sent as ``externalConversationId``. Without one the
            conversation is found out: from response ids, from resent history, else from the trace.
        user_id: Your name for the user, sent as ``externalUserId``.
        organization_id: Your name for the user's organization.
        properties: Anything JSON that describes the conversation. Dates, enums, exact numbers and the like
            become text. What several blocks say of one conversation adds up.
        message_properties: The same of every message of the enclosed calls; see `message_properties()`.
        sample_rate: 0 to 1: the share of such conversations to keep; by default the setting. What is said first of a
            conversation counts.
        force_sample: Keep it whatever the rates say. By default the setting, except with a ``sample_rate``.
        greenflash_conversation_id: The id that Greenflash gave a conversation, to continue that one. It counts before
            ``id``.

    Raises:
        InvalidConversationError: Only with the setting ``strict``: an argument is bad.
    """
    if issubclass(type(id), (FunctionType, MethodType)):  # @conversation, without parentheses
        return Scope(_NOBODY)(id)
    ids = {"id": id, "user_id": user_id, "organization_id": organization_id}
    sampling = {"sample_rate": sample_rate, "force_sample": force_sample}
    made_there = greenflash_conversation_id
    return Scope(
        make_conversation_context(
            "conversation()", ids, properties, made_there, message_properties, **sampling
        )
    )


def internal() -> Scope:
    """Say that the user never sees what the enclosed model calls say: routers, guards, title writers.

    Such a call becomes one hidden ``llm`` step of the conversation. Used like `conversation()`.
    """
    return Scope(ConversationContext(internal=True), opens=False)


def tool_call(call_id: str) -> Scope:
    """Say that the enclosed code is the tool that a model asked for under ``call_id``.

    Model calls in it are hidden ``llm`` steps of the conversation, under that tool call. For
    instrumentations; used like `conversation()`.
    """
    return Scope(ConversationContext(tool_call_id=call_id), opens=False)


class Scope:
    """What `conversation()` and `internal()` return: ``with``, ``async with``, or decorator.

    One scope may be entered by many threads and tasks, and again inside itself.
    """

    def __init__(self, conversation_context: ConversationContext, *, opens: bool = True) -> None:
        self._conversation_context = conversation_context
        self._opens = opens
        """Whether what happens in it belongs together, even where nobody gave it a name."""
        self._blocks: OpenSet[Block] = OpenSet()

    def __enter__(self) -> Conversation:
        return self._enter_from(sys._getframe(1))

    def _enter_from(self, caller: FrameType | None) -> Conversation:
        block = Block()
        conversation = self._enter(block)
        if (frame := _frame_in(None)) is not None:
            _in_generators.add(block, frame, caller)
        return conversation

    def _enter(self, block: Block) -> Conversation:
        self._blocks.add(block)
        block.over = False
        lost_contexts.note_entered(block)
        outer = otel_context.get_current()
        if (around := _own_frame()) is not _frame_in(outer):
            outer = otel_context.set_value(_KEY, around, outer)
        conversation_context = nest_context(get_conversation_context(outer), self._conversation_context)
        if (
            self._opens
            and conversation_context.conversation_id is None
            and conversation_context.scope_id is None
        ):
            conversation_context = replace(conversation_context, scope_id=uuid.uuid4().hex)
        conversation = (
            around.conversation.nest(conversation_context) if around else Conversation(conversation_context)
        )
        context = otel_context.set_value(_KEY, _Frame(conversation, self, outer, block), outer)
        otel_context.attach(write_conversation(conversation_context.conversation_id, context))
        return conversation

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A generator can be closed in another task than the one it ran in. That task was never in this
        # scope: there is nothing to detach, and detaching by token would log an error.
        frame = _frame_in(None)
        block = None
        if frame is not None and frame.scope is self:
            otel_context.attach(_outside_left_generators(frame.outer))
            block = frame.block
            around = _frame_in(frame.outer)
            if around is None or not around.conversation.shares_with(frame.conversation):
                frame.conversation.send_properties()
        else:
            block = self._find_block_left_elsewhere(error, sys._getframe(1))
        if block is not None:
            self._blocks.remove(block)
            _in_generators.remove(block)
            lost_contexts.note_left(block)
            block.over = True
            if error is not None:
                block.leave(error)

    def _find_block_left_elsewhere(
        self, error: BaseException | None, caller: FrameType | None
    ) -> Block | None:
        """Return the block that is left in a context which is not in it."""
        frame, blocks = _own_frame(), self._blocks.list_items()
        is_repaired = (
            frame is not None and frame.scope is self and not lost_contexts.is_context_manager(caller)
        )
        if not is_repaired and (error is None or isinstance(error, Exception)):
            lost_contexts.warn_of_block_left_elsewhere()
        if frame is not None and frame.scope is self:
            return frame.block
        return blocks[0] if len(blocks) == 1 else None

    def enter_step(self, block: Block) -> _Step:
        """Enter it for one step of a generator: all of its steps are one pass through one block."""
        return _Step(self, block)

    async def __aenter__(self) -> Conversation:
        return self._enter_from(sys._getframe(1))

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(type, error, traceback)

    def __call__(self, function: F) -> F:
        """Run every call of ``function`` in this scope; its kind and signature stay as they are."""
        return cast(F, decorate(function, self))


@dataclass(frozen=True, slots=True)
class _Frame:
    """One entry into a scope, as the context has it."""

    conversation: Conversation
    scope: Scope
    outer: Context
    block: Block


@dataclass(frozen=True, slots=True)
class ProvidedContext:
    """A conversation context on the context that ends without being detached."""

    provider: ContextProvider
    below: _Frame | ProvidedContext | None


def _outside_left_generators(context: Context) -> Context:
    """Return ``context`` without blocks of generators that came to their end within the one that is left now."""
    while (frame := _frame_in(context)) is not None and frame.block.in_generator and frame.block.over:
        context = frame.outer
    return context


_in_generators: lost_contexts.GeneratorBlocks[_Frame] = lost_contexts.GeneratorBlocks()


class _Step:
    """One step of a generator in a scope: all of its steps are one pass through one block."""

    def __init__(self, scope: Scope, block: Block) -> None:
        self._scope = scope
        self._block = block

    def __enter__(self) -> None:
        self._scope._enter(self._block)

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.__exit__(type, error, traceback)
