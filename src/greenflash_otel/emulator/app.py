"""The emulator as an ASGI application: bounds, authorisation, faults and errors around the endpoints.

Order of things: the host is checked, the body is read within its bound, then a fault may strike, then the
key is checked, then the endpoint runs in a thread. Every answer that is no success is
``{"success": false, "message": ...}``, and the request is noted with its reason. The pages for people are
in ``viewer``.
"""

from __future__ import annotations

import dataclasses
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from greenflash_otel.emulator.command_endpoints import COMMAND_ENDPOINTS
from greenflash_otel.emulator.endpoints import (
    API,
    ENDPOINTS,
    MAX_BODY_BYTES,
    OWN,
    READING_METHODS,
    Call,
    Endpoint,
    Reply,
)
from greenflash_otel.emulator.faults import Fault
from greenflash_otel.emulator.hosts import HostCheck
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.store import Store, writing
from greenflash_otel.emulator.store.writing import Arrival
from greenflash_otel.emulator.viewer.routes import Viewer


def create_app(
    store: Store,
    *,
    choose_fault: Callable[[str, str], Fault | None],
    api_key: str | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    allowed_hosts: Sequence[str] = (),
    is_stopping: Callable[[], bool] = lambda: False,
) -> Starlette:
    """Make the application. Without an ``api_key`` any bearer token is as good as another."""
    viewer = Viewer(store, api_key=api_key, is_stopping=is_stopping)

    def make_route(endpoint: Endpoint) -> Route:
        async def serve(request: Request) -> Response:
            request.state.arrival = arrival = _read_arrival(request)
            body = await _read_body(request, max_body_bytes)
            request.state.arrival = arrival = dataclasses.replace(arrival, body=body)
            fault = choose_fault(request.method, arrival.path) if _is_api(request) else None
            if (instead := await _strike(fault, after_commit=False)) is not None:
                await _note(store, request, instead.status_code, "a fault on order")
                return instead
            _authorise(request, api_key)
            reply = await run_in_threadpool(endpoint.handle, store, _read_call(request, endpoint, arrival))
            return await _strike(fault, after_commit=True) or _make_response(reply)

        return Route(endpoint.path.replace("{id}", "{id:path}"), serve, methods=[endpoint.method])

    async def on_refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 -- registered for it
        await _note(store, request, error.status, error.message)
        return _refuse(error.status, error.message)

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- registered for it
        if viewer.is_for_people(request):
            return await viewer.show_error(request, error.status_code)
        message = _describe(request, error)
        await _note(store, request, error.status_code, message)
        return _refuse(error.status_code, message, error.headers)

    app = Starlette(
        routes=[*(make_route(endpoint) for endpoint in (*ENDPOINTS, *COMMAND_ENDPOINTS)), *viewer.routes],
        middleware=[Middleware(HostCheck, allowed=allowed_hosts)],
        exception_handlers={Refused: on_refusal, HTTPException: on_http_exception, Exception: _on_exception},
    )
    app.router.redirect_slashes = False
    return app


def _read_arrival(request: Request) -> Arrival:
    """Describe a request whose body has not been read yet."""
    path, sender = _path_of(request), request.headers.get("user-agent", "")
    return Arrival(request.method, path, b"", sender, time.perf_counter_ns())


async def _note(store: Store, request: Request, status: int, reason: str) -> None:
    """Store that a request was refused, if it was one that would change something."""
    if request.method in READING_METHODS and not (_is_api(request) and status >= 400):
        return
    arrival = getattr(request.state, "arrival", None) or _read_arrival(request)

    def write() -> None:
        with store.change() as change:
            writing.note(change, arrival, status, reason)

    await run_in_threadpool(write)


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """Read the body. Raises `Refused` as soon as it is known to be too large."""
    too_large = Refused(413, f"body: is larger than {max_bytes} bytes; send fewer or smaller messages")
    declared = request.headers.get("content-length", "0")
    if int(declared) > max_bytes:  # the server has refused what is no number
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise too_large
    except ClientDisconnect:
        raise Refused(400, "body: ended early") from None
    return bytes(body)


async def _strike(fault: Fault | None, *, after_commit: bool) -> Response | None:
    """Let a fault happen if its time has come; the answer it gives instead, if any."""
    if fault is None or fault.after_commit is not after_commit:
        return None
    answer = await fault.happen()
    if answer is None:
        return None
    return Response(answer.body, answer.status, dict(answer.headers))


def _authorise(request: Request, api_key: str | None) -> None:
    """Raise `Refused` with status 401 unless the request carries the key."""
    if api_key is None and not _is_api(request):
        return
    header = request.headers.get("authorization")
    if header is None:
        raise Refused(401, "Authentication required: send 'Authorization: Bearer <key>'")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "Invalid authorization header: write 'Bearer <key>'")
    if api_key is not None and not hmac.compare_digest(token.strip().encode(), api_key.encode()):
        raise Refused(401, "Invalid API key")


def _read_call(request: Request, endpoint: Endpoint, arrival: Arrival) -> Call:
    path_id = ""
    if endpoint.path.endswith("{id}"):
        prefix = endpoint.path.removesuffix("{id}")
        raw = request.scope["raw_path"].decode("ascii").removeprefix(prefix)
        if not raw or "/" in raw:  # a slash in an id must be sent as %2F
            raise Refused(404, f"No route {request.url.path!r}; percent-encode the id as one segment")
        path_id = unquote(raw)
    return Call(
        url=str(request.url.replace(query="")).rstrip("?"),
        path_id=path_id,
        query=dict(request.query_params),
        arrival=arrival,
    )


def _is_api(request: Request) -> bool:
    return request.url.path.startswith(f"{API}/")


def _path_of(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(API).removeprefix(OWN)


def _make_response(reply: Reply) -> Response:
    if reply.body is None:
        return Response(status_code=reply.status, headers=dict(reply.headers))
    body = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, reply.status, dict(reply.headers), media_type="application/json")


def _refuse(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return _make_response(Reply(status, {"success": False, "message": message}, headers or {}))


def _describe(request: Request, error: HTTPException) -> str:
    messages = {
        404: f"No route {request.url.path!r}; the API begins at {API}",
        405: f"{request.method} is not allowed on {request.url.path!r}",
    }
    return messages.get(error.status_code, error.detail)


def _on_exception(request: Request, error: Exception) -> Response:
    return _refuse(500, f"The emulator failed: {type(error).__name__}; its log says more")
