"""Hand requests to the endpoints of the emulator within the process: no server, no socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import httpx

from greenflash_otel.emulator.endpoints import API, ENDPOINTS, MAX_BODY_BYTES, Call, Endpoint, Reply
from greenflash_otel.emulator.faults import Fault, FaultReply, Faults
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.store import Store, writing
from greenflash_otel.emulator.store.writing import Arrival


@dataclass(frozen=True, slots=True)
class RejectedRequest:
    """A request that Greenflash would reject."""

    method: str
    path: str
    """Below ``/api/v1``."""
    status: int
    reason: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.status} {self.reason}"


class InProcessTransport(httpx.BaseTransport):
    """The way of an ``httpx.Client`` to a store."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.rejected: list[RejectedRequest] = []
        """Without those that were ordered."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request as the emulator does."""
        body = request.read()
        path = request.url.path.removeprefix(API)
        sender = request.headers.get("user-agent", "")
        arrival = Arrival(request.method, path, body, sender, time.perf_counter_ns())
        fault = self._faults.choose(request.method, path)
        if (instead := _strike(fault, request, after_commit=False)) is not None:
            self._note(arrival, instead.status, "a fault on order")
            return _respond(instead)
        try:
            endpoint, path_id = _find_endpoint(request)
            if len(body) > MAX_BODY_BYTES:
                raise Refused(413, f"body: is larger than {MAX_BODY_BYTES} bytes")
            url = str(request.url.copy_with(query=None))
            reply = endpoint.handle(self._store, Call(url, path_id, dict(request.url.params), arrival))
        except Refused as refused:
            self.rejected.append(RejectedRequest(request.method, path, refused.status, refused.message, body))
            self._note(arrival, refused.status, refused.message)
            reply = Reply(refused.status, {"success": False, "message": refused.message})
        return _respond(_strike(fault, request, after_commit=True) or _write(reply))

    def _note(self, arrival: Arrival, status: int, reason: str) -> None:
        with self._store.change() as change:
            writing.note(change, arrival, status, reason)


class _Chunk(httpx.SyncByteStream):
    """A body that is read once, as one from the network."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body


def _find_endpoint(request: httpx.Request) -> tuple[Endpoint, str]:
    """Return what serves a request, and the id at the end of its path."""
    raw_path = request.url.raw_path.decode("ascii").partition("?")[0]
    for endpoint in ENDPOINTS:
        prefix = endpoint.path.removesuffix("{id}")
        path_id = raw_path.removeprefix(prefix)
        is_named = prefix != endpoint.path and raw_path.startswith(prefix)
        fits = bool(path_id) and "/" not in path_id if is_named else raw_path == endpoint.path
        if fits and endpoint.method == request.method:
            return endpoint, unquote(path_id) if is_named else ""
    raise Refused(404, f"No route {request.method} {raw_path!r}; the API begins at {API}")


def _strike(fault: Fault | None, request: httpx.Request, *, after_commit: bool) -> FaultReply | None:
    """Let a fault happen if its time has come; the answer it gives instead, if any."""
    if fault is None or fault.after_commit is not after_commit:
        return None
    limit_s = request.extensions.get("timeout", {}).get("read")
    try:
        return asyncio.run(asyncio.wait_for(fault.happen(), limit_s))
    except (TimeoutError, asyncio.TimeoutError):
        raise httpx.ReadTimeout("the request hangs on order", request=request) from None


def _write(reply: Reply) -> FaultReply:
    body = b"" if reply.body is None else json.dumps(reply.body, ensure_ascii=False).encode()
    return FaultReply(reply.status, {**reply.headers, "content-type": "application/json"}, body)


def _respond(reply: FaultReply) -> httpx.Response:
    return httpx.Response(reply.status, headers=dict(reply.headers), stream=_Chunk(reply.body))
