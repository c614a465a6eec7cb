"""Which conversation, user and organization the running code works for.

`conversation()` puts a `ConversationContext` on the OpenTelemetry context, so it follows whatever carries
that: ``await``, tasks, ``contextvars.copy_context()``, explicit contexts. Instrumentations read it with
`get_current_affiliation()`. Nothing here knows spans, threads or Greenflash's API.
"""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast, overload

from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from greenflash_otel.arguments import (
    Id,
    Properties,
    Repairs,
    read_id,
    read_properties,
    report,
)
from greenflash_otel.block import BegunBlock, Block, find_runner
from greenflash_otel.errors import InvalidConversationError
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import ConversationContext, nest_context
from greenflash_otel.open_set import OpenSet

_KEY = otel_context.create_key("greenflash-conversation-context")
_NOBODY = ConversationContext()
_BAGGAGE = "greenflash.conversation"
"""The entry of W3C baggage, which OpenTelemetry sends along with requests to other services."""
_carrying = False

F = TypeVar("F", bound=Callable[..., Any])


def get_conversation_context(context: Context | None = None) -> ConversationContext:
    """The conversation context in ``context``, by default the current one; an empty one outside any scope."""
    frame = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY, context))
    while isinstance(frame, ProvidedContext):
        if (conversation_context := frame.provider.get_conversation_context()) is not None:
            return conversation_context
        frame = frame.below
    return frame.conversation_context if frame else _NOBODY


class ContextProvider(Protocol):
    """Something that goes on in a context, where its instrumentation learns of its beginning only."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        ...

    def get_conversation_context(self) -> ConversationContext | None:
        """What it provides to the running code; None: nothing, so what was there before it applies."""
        ...


def with_provider(provider: ContextProvider, context: Context) -> Context:
    """``context`` with a conversation context that applies where, and as long as, ``provider`` says."""
    below = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY, context))
    while isinstance(below, ProvidedContext) and below.provider.over:
        below = below.below
    return otel_context.set_value(_KEY, ProvidedContext(provider, below), context)


def current_provider() -> ContextProvider | None:
    """The innermost of those that go on and were begun in this context."""
    frame = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY))
    while isinstance(frame, ProvidedContext) and frame.provider.over:
        frame = frame.below
    return frame.provider if isinstance(frame, ProvidedContext) else None


def get_own_conversation_context() -> ConversationContext:
    """The conversation context of the application, whatever instrumentations provided since."""
    frame = _own_frame()
    return frame.conversation_context if frame else _NOBODY


def has_left_own_block() -> bool:
    """Whether the application's block is over that the running code took its context from."""
    frame = _own_frame()
    return frame is not None and frame.block.over


def without_providers(context: Context) -> Context:
    """``context`` as the application made it."""
    return otel_context.set_value(_KEY, _own_frame(), context)


def _own_frame(context: Context | None = None) -> _Frame | None:
    frame = cast("_Frame | ProvidedContext | None", otel_context.get_value(_KEY, context))
    while isinstance(frame, ProvidedContext):
        frame = frame.below
    return frame


def get_current_conversation_context() -> ConversationContext:
    """The conversation context of the running code; an empty one outside any `conversation()`."""
    return get_conversation_context()


def current_conversation() -> str | None:
    """Id of the active conversation; None outside any, or where it is still to be found out."""
    return get_conversation_context().conversation_id


def note_begun_here(begun: BegunBlock) -> None:
    """Note that ``begun`` was begun by the running code, whose blocks end it when they are cancelled."""
    frame, runner = _own_frame(), None
    while frame is not None:
        runner = runner or find_runner()
        frame.block.begun.add(begun, runner)
        frame = _own_frame(frame.outer)


def set_baggage_propagation(on: bool) -> None:
    """Whether scopes write their conversation into the baggage, and what is recorded of one looks there."""
    global _carrying
    _carrying = on


def conversation_for_feedback() -> str | None:
    """The conversation an outcome or a rating is about: the active one, else that of the calling service."""
    conversation_context = get_current_conversation_context()
    if not _carrying or conversation_context.conversation_id or conversation_context.scope_id:
        return conversation_context.conversation_id
    carried = baggage.get_baggage(_BAGGAGE)
    return carried if carried and isinstance(carried, str) else None


@overload
def conversation(id: F, /) -> F: ...


@overload
def conversation(
    id: Id | None = None,
    *,
    user_id: Id | None = None,
    organization_id: Id | None = None,
    properties: Properties | None = None,
) -> Scope: ...


def conversation(
    id: Any = None,
    *,
    user_id: Id | None = None,
    organization_id: Id | None = None,
    properties: Properties | None = None,
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

    Raises:
        InvalidConversationError: Only with the setting ``strict``: an argument is bad.
    """
    if inspect.isfunction(id) or inspect.ismethod(id):  # @conversation, without parentheses
        return Scope(_NOBODY)(id)
    ids = {"id": id, "user_id": user_id, "organization_id": organization_id}
    return Scope(make_conversation_context("conversation()", ids, properties))


def make_conversation_context(
    function: str, ids: dict[str, object], properties: object
) -> ConversationContext:
    """Repair the arguments of `function` that say whose conversation something is.

    Args:
        ids: Of the conversation, the user and the organization, in this order, by the name of the argument.

    Raises:
        InvalidConversationError: Only with the setting ``strict``.
    """
    repairs, conversation_context = Repairs(), _NOBODY
    with guarded(f"read the arguments of {function}"):
        conversation_id, user_id, organization_id = (read_id(name, id, repairs) for name, id in ids.items())
        found = read_properties(properties, repairs)
        found = repairs.add_original(found)
        conversation_context = ConversationContext(conversation_id, user_id, organization_id, found)
    report(function, repairs, InvalidConversationError)
    return conversation_context


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

    def __enter__(self) -> ConversationContext:
        return self._enter(Block())

    def _enter(self, block: Block) -> ConversationContext:
        self._blocks.add(block)
        block.over = False
        outer = otel_context.get_current()
        conversation_context = nest_context(get_conversation_context(outer), self._conversation_context)
        if (
            self._opens
            and conversation_context.conversation_id is None
            and conversation_context.scope_id is None
        ):
            conversation_context = replace(conversation_context, scope_id=uuid.uuid4().hex)
        context = otel_context.set_value(_KEY, _Frame(conversation_context, self, outer, block), outer)
        if _carrying and conversation_context.conversation_id:
            context = baggage.set_baggage(_BAGGAGE, conversation_context.conversation_id, context)
        otel_context.attach(context)
        return conversation_context

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A generator can be closed in another task than the one it ran in. That task was never in this
        # scope: there is nothing to detach, and detaching by token would log an error.
        frame = _own_frame()
        block = None
        if frame is not None and frame.scope is self:
            otel_context.attach(frame.outer)
            block = frame.block
        elif len(blocks := self._blocks.list_items()) == 1:
            (block,) = blocks
        if block is not None:
            self._blocks.remove(block)
            block.over = True
            if error is not None:
                block.leave(error)

    async def __aenter__(self) -> ConversationContext:
        return self.__enter__()

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(type, error, traceback)

    def __call__(self, function: F) -> F:
        """Run every call of ``function`` in this scope; its kind and signature stay as they are."""
        return cast(F, _decorate(function, self))


@dataclass(frozen=True, slots=True)
class _Frame:
    """One entry into a scope, as it lies on the context."""

    conversation_context: ConversationContext
    scope: Scope
    outer: Context
    block: Block


@dataclass(frozen=True, slots=True)
class ProvidedContext:
    """A conversation context on the context that ends by itself."""

    provider: ContextProvider
    below: _Frame | ProvidedContext | None


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


def _decorate(function: Callable[..., Any], scope: Scope) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return _decorate_async_generator(function, scope)
    if inspect.isgeneratorfunction(function):
        return _decorate_generator(function, scope)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with scope:
                return await function(*args, **kwargs)

        return run_async

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with scope:
            return function(*args, **kwargs)

    return run


def _decorate_generator(
    function: Callable[..., Generator[Any, Any, Any]], scope: Scope
) -> Callable[..., Generator[Any, Any, Any]]:
    """Only the generator's own steps run in the scope, never the consumer's code between them."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator, block = function(*args, **kwargs), Block()
        in_scope = _Step(scope, block)
        step: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with in_scope:
                    item = step()
            except StopIteration as end:
                return end.value
            try:
                sent = yield item
            except GeneratorExit as left:
                with in_scope:
                    generator.close()
                block.leave(left)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.throw, error)
            else:
                step = functools.partial(generator.send, sent)

    return run


def _decorate_async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], scope: Scope
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """The twin of `_decorate_generator`."""

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator, block = function(*args, **kwargs), Block()
        in_scope = _Step(scope, block)
        step: Callable[[], Any] = generator.__anext__
        while True:
            try:
                with in_scope:
                    item = await step()
            except StopAsyncIteration:
                return
            try:
                sent = yield item
            except GeneratorExit as left:
                with in_scope:
                    await generator.aclose()
                block.leave(left)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.athrow, error)
            else:
                step = functools.partial(generator.asend, sent)

    return run
