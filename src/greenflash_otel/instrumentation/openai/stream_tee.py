"""Show an HTTP stream to a listener while the application reads it.

A transparent proxy replaces the response's own stream. It passes every chunk on and reports each, and the end,
to a listener. It reads nothing before the application does. Pickling or copying a response leaves the proxy
out, as httpx leaves out any stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Protocol

import wrapt


class Listener(Protocol):
    """Who is called; must not raise."""

    def handle_chunk(self, chunk: bytes) -> None:
        """Handle a chunk that was read."""

    def handle_end(self) -> None:
        """Note that the stream was read to its end."""

    def handle_error(self, error: BaseException) -> None:
        """Note that reading raised ``error``."""

    def handle_close(self) -> None:
        """Note that the stream was closed."""


class TeeStream(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic in the stubs of wrapt 2 only
    """A ``SyncByteStream``, an ``AsyncByteStream`` or both, like the stream that it replaces."""

    def __init__(self, stream: Any, listener: Listener) -> None:
        super().__init__(stream)
        self._self_listener = listener

    def __iter__(self) -> Iterator[bytes]:
        return TeeIterator(iter(self.__wrapped__), self._self_listener)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return AsyncTeeIterator(self.__wrapped__.__aiter__(), self._self_listener)

    def close(self) -> None:
        try:
            self.__wrapped__.close()
        finally:
            self._self_listener.handle_close()

    async def aclose(self) -> None:
        try:
            await self.__wrapped__.aclose()
        finally:
            self._self_listener.handle_close()


class TeeIterator(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """Return the iterator of a stream; a generator stays a generator, so that code that closes it still can."""

    def __init__(self, iterator: Iterator[bytes], listener: Listener) -> None:
        super().__init__(iterator)
        self._self_listener = listener

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = next(self.__wrapped__)
        except StopIteration:
            self._self_listener.handle_end()
            raise
        except BaseException as error:
            self._self_listener.handle_error(error)
            raise
        self._self_listener.handle_chunk(chunk)
        return chunk


class AsyncTeeIterator(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """The twin of `TeeIterator`."""

    def __init__(self, iterator: AsyncIterator[bytes], listener: Listener) -> None:
        super().__init__(iterator)
        self._self_listener = listener

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk: bytes = await self.__wrapped__.__anext__()
        except StopAsyncIteration:
            self._self_listener.handle_end()
            raise
        except BaseException as error:
            self._self_listener.handle_error(error)
            raise
        self._self_listener.handle_chunk(chunk)
        return chunk


class TeeWhole:
    """Stands for ``iter_bytes`` of a response that has been read, as a hook of the application may do.

    When the application gets the bytes then shows nowhere else. A copy made by pickle has the response's own method.
    """

    def __init__(self, response: Any, listener: Listener) -> None:
        self._response = response
        self._listener = listener

    def __call__(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        return TeeIterator(self._get_own()(*args, **kwargs), self._listener)

    def __reduce__(self) -> Any:
        return partial, (type(self._response).iter_bytes, self._response)

    def _get_own(self) -> Callable[..., Any]:
        return partial(type(self._response).iter_bytes, self._response)


class AsyncTeeWhole(TeeWhole):
    """The twin of `TeeWhole`, for ``aiter_bytes``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return AsyncTeeIterator(self._get_own()(*args, **kwargs), self._listener)

    def __reduce__(self) -> Any:
        return partial, (type(self._response).aiter_bytes, self._response)

    def _get_own(self) -> Callable[..., Any]:
        return partial(type(self._response).aiter_bytes, self._response)
