"""Share the gateway between senders: memory under way, turns to convert, requests at once.

`Shares` belongs to one event loop, and needs no lock. A sender is a token, or an address if the gateway asks for
no token. While there is enough, each sender has what it needs. When memory runs short, the sender with the
largest share gives way: the answer to its largest request is "come again later". Senders take turns.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from greenflash_otel.gateway.encoding import Content, UnknownEncodingError, decode_body
from greenflash_otel.gateway.limits import ContentLimits, SenderLimits, TooLargeError
from greenflash_otel.gateway.responses import BUSY, MALFORMED, TOO_LARGE, UNSUPPORTED, RefusedError

Answer = TypeVar("Answer")
BASE_BYTES = 4 << 10
"""What a request costs without its body."""


class RequestBody:
    """A request's body while it is under way, and the share it has of the memory."""

    def __init__(self, memory: Memory, sender: str) -> None:
        self.sender = sender
        self.content: Content = bytearray()
        self.counted_bytes = BASE_BYTES
        self.is_evicted = False
        self.is_converted = False
        """It is being converted: it ends soon, and cannot be given up."""
        self.last_s = asyncio.get_running_loop().time()
        self._memory = memory

    def append(self, chunk: bytes) -> None:
        """Take more of the body. Raises `RefusedError` if there is no room for it."""
        self.check()
        self._memory.reserve(self, len(chunk))
        self.content += chunk
        self.last_s = asyncio.get_running_loop().time()

    def take(self, content: bytes) -> None:
        """Take the whole body. Raises `RefusedError` if there is no room for it."""
        self._memory.reserve(self, len(content))
        self.content = content

    def unpack(self, encoding: str, limits: ContentLimits) -> Content:
        """Return the body without its encoding, and keep the packed one no longer. Raises `RefusedError`."""
        packed, self.content = self.content, b""
        try:
            return decode_body(packed, encoding, limits)
        except TooLargeError as error:
            raise RefusedError(TOO_LARGE, f"the body is {error}") from None
        except UnknownEncodingError as error:
            raise RefusedError(UNSUPPORTED, str(error)) from None
        except ValueError as error:
            raise RefusedError(MALFORMED, f"the body is {error}") from None

    def check(self) -> None:
        """Raise `RefusedError` if the body had to give way to another sender's."""
        if self.is_evicted:
            raise RefusedError(BUSY, "the gateway needed the room for other senders; send it again later")


class Memory:
    """Bodies under way, which together have at most so many bytes."""

    def __init__(self, max_bytes: int, limits: SenderLimits) -> None:
        self._max_bytes = max_bytes
        self._limits = limits
        self._bodies: dict[RequestBody, None] = {}
        self._bytes: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()

    @contextmanager
    def body(self, sender: str) -> Iterator[RequestBody]:
        """Open a body, for as long as the request lasts. Raises `RefusedError` if the sender has too many."""
        if self._requests[sender] >= self._limits.max_requests:
            raise RefusedError(BUSY, "this sender has too many requests under way")
        body = RequestBody(self, sender)
        self._bodies[body] = None
        self._bytes[sender] += body.counted_bytes
        self._requests[sender] += 1
        try:
            yield body
        finally:
            self._release(body)
            self._requests[sender] -= 1
            if not self._requests[sender]:
                del self._requests[sender], self._bytes[sender]

    def reserve(self, body: RequestBody, size: int) -> None:
        """Give a body more room, from others if need be. Raises `RefusedError`."""
        while self._bytes.total() + size > self._max_bytes:
            victim = self._choose_victim(body, size)
            if victim is None:
                raise RefusedError(BUSY, "too much is under way")
            victim.is_evicted = True
            self._release(victim)
        body.counted_bytes += size
        self._bytes[body.sender] += size

    def _choose_victim(self, body: RequestBody, size: int) -> RequestBody | None:
        """Return the body that gives way: one of a larger share, or one that its sender has left alone."""
        share = self._bytes[body.sender] + size
        stalled_s = asyncio.get_running_loop().time() - self._limits.stall_s / 2
        candidates = [
            candidate
            for candidate in self._bodies
            if candidate is not body
            and not candidate.is_converted
            and candidate.counted_bytes > BASE_BYTES
            and (self._bytes[candidate.sender] > share or candidate.last_s < stalled_s)
        ]
        return max(
            candidates,
            key=lambda candidate: (self._bytes[candidate.sender], candidate.counted_bytes),
            default=None,
        )

    def _release(self, body: RequestBody) -> None:
        if self._bodies.pop(body, body) is None:
            self._bytes[body.sender] -= body.counted_bytes
            body.content = b""


class Turns:
    """Lets a few things happen at once, and leaves room for more than one sender."""

    def __init__(self, at_once: int, per_sender: int) -> None:
        self._free = at_once
        self._per_sender = max(per_sender, 1)
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, sender: str) -> AsyncIterator[None]:
        """Wait for a turn and have it."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(sender, deque()).append(future)
        self._hand_out()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._end(sender)
            raise
        try:
            yield
        finally:
            self._end(sender)

    def _end(self, sender: str) -> None:
        self._free += 1
        self._running[sender] -= 1
        if not self._running[sender]:
            del self._running[sender]
        self._hand_out()

    def _hand_out(self) -> None:
        for sender in list(self._waiting):
            if not self._free:
                return
            queue = self._waiting[sender]
            while queue and queue[0].done():  # its request was cancelled
                queue.popleft()
            if queue and self._running[sender] < self._per_sender:
                self._free -= 1
                self._running[sender] += 1
                queue.popleft().set_result(None)
                self._waiting.move_to_end(sender)
            if not queue:
                del self._waiting[sender]


class Shares:
    """What senders share.

    Args:
        max_body_bytes: The largest body. As many of these as conversions at once fit into the memory.
    """

    def __init__(self, limits: SenderLimits, max_body_bytes: int) -> None:
        self.limits = limits
        self.memory = Memory((max_body_bytes + BASE_BYTES) * limits.conversions, limits)
        self.readings = Turns(limits.readings, limits.readings - 2)
        self._conversions = Turns(limits.conversions, limits.conversions - 1)
        self._threads = ThreadPoolExecutor(limits.conversions, "greenflash-otel gateway")

    async def convert(self, body: RequestBody, handle: Callable[[], Answer]) -> Answer:
        """Run `take` in a thread when it is the sender's turn. Raises `RefusedError`."""
        async with self._conversions.turn(body.sender):
            body.check()
            body.is_converted = True
            running = asyncio.get_running_loop().run_in_executor(self._threads, handle)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:  # the sender is gone; the thread still reads the body
                await asyncio.wait({running})
                raise

    def close(self) -> None:
        """Let the threads end when they have done what they have begun."""
        self._threads.shutdown(wait=False)
