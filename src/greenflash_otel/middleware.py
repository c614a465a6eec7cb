"""Give each request of a web server its conversation: ASGI, WSGI, and handlers that are frozen between two calls.

app.add_middleware(greenflash.AsgiMiddleware, find_conversation=lambda scope: {"user_id": scope.get("user")})
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextvars import Context, copy_context
from typing import Any, Final, TypeAlias, TypeVar, overload

from greenflash_otel.context import Scope, conversation
from greenflash_otel.internal_errors import guarded
from greenflash_otel.record_async import aflush
from greenflash_otel.runtime import flush

FindConversation: TypeAlias = Callable[[Mapping[str, Any]], "Mapping[str, Any] | None"]
"""Returns the arguments of `conversation()` by ASGI's scope or WSGI's environ; None for no conversation."""
AsgiMessage: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]
Receive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
AsgiApp: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
WsgiApp: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FLUSH_S: Final = 5.0
FROZEN_S: Final = 2.0
F = TypeVar("F", bound=Callable[..., Any])


class AsgiMiddleware:
    """Runs each HTTP request and WebSocket session in a conversation, and delivers what is left at the end.

    The block lasts until the response is sent, so a stream is part of it.

    Args:
        app: The application.
        find_conversation: Returns the arguments of `conversation()` for a request, such as ``{"id": …, "user_id": …}``;
            None for a request that is no conversation. It is given ASGI's scope.
        flush_timeout_s: How long the end of the server may wait for delivery, in seconds.
    """

    def __init__(
        self, app: AsgiApp, find_conversation: FindConversation, *, flush_timeout_s: float = FLUSH_S
    ) -> None:
        self._app = app
        self._find_conversation = find_conversation
        self._flush_timeout_s = flush_timeout_s

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Run the application for one request, session or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._flush_before_end(send))
            return
        block = (
            _find_block(self._find_conversation, scope) if scope["type"] in ("http", "websocket") else None
        )
        if block is None:
            await self._app(scope, receive, send)
            return
        async with block:
            await self._app(scope, receive, send)

    def _flush_before_end(self, send: Send) -> Send:
        async def flush_and_send(message: AsgiMessage) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                with guarded("deliver at the end of a server"):
                    await aflush(self._flush_timeout_s)
            await send(message)

        return flush_and_send


class WsgiMiddleware:
    """Runs each request in a conversation, also the steps of a response that is streamed.

    Args:
        app: The application.
        find_conversation: As for `AsgiMiddleware`; it is given WSGI's environ.
    """

    def __init__(self, app: WsgiApp, find_conversation: FindConversation) -> None:
        self._app = app
        self._find_conversation = find_conversation

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Run the application for one request."""
        block = _find_block(self._find_conversation, environ)
        if block is None:
            return self._app(environ, start_response)
        context = copy_context()
        context.run(block.__enter__)
        try:
            body = context.run(self._app, environ, start_response)
        except BaseException as error:
            context.run(block.__exit__, type(error), error, error.__traceback__)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        is_file = isinstance(wrapper, type) and isinstance(body, wrapper)  # servers send it in their own way
        if is_file or isinstance(body, (list, tuple)):
            context.run(block.__exit__, None, None, None)
            return body
        return _StreamedBody(body, context, block)


class _StreamedBody:
    """A response that is made step by step, each in the context of its request."""

    def __init__(self, body: Iterable[bytes], context: Context, block: Scope) -> None:
        self._body = body
        self._steps = context.run(iter, body)
        self._context = context
        self._block: Scope | None = block

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return self._context.run(next, self._steps)
        except BaseException as error:
            self._leave(error)
            raise

    def close(self) -> None:
        """End the response: the server calls it however that ended."""
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                self._context.run(close)
        finally:
            self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        block, self._block = self._block, None
        if block is not None:
            failure = None if isinstance(error, StopIteration) else error
            kind = None if failure is None else type(failure)
            self._context.run(block.__exit__, kind, failure, None)


@overload
def flush_after(function: F, *, timeout_s: float = FROZEN_S) -> F: ...


@overload
def flush_after(function: None = None, *, timeout_s: float = FROZEN_S) -> Callable[[F], F]: ...


def flush_after(function: Callable[..., Any] | None = None, *, timeout_s: float = FROZEN_S) -> Any:
    """Deliver what a handler captured before it returns: AWS Lambda and its like freeze the process then.

    Use it as ``@greenflash.flush_after``, or as ``@greenflash.flush_after(timeout_s=1)``, on a function or a coroutine
    function. What could not be delivered in time stays in the outbox: choose a folder that outlives the process.

    Args:
        function: The handler.
        timeout_s: How long the delivery may take, in seconds.
    """
    if function is None:
        return functools.partial(flush_after, timeout_s=timeout_s)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            finally:
                await aflush(timeout_s)

        return run_async

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            flush(timeout_s)

    return run


def _find_block(find_conversation: FindConversation, request: Mapping[str, Any]) -> Scope | None:
    """Return the block of a request; none if the function of the application has none for it, or fails."""
    with guarded("find the conversation of a request"):
        arguments = find_conversation(request)
        return None if arguments is None else conversation(**arguments)
    return None
