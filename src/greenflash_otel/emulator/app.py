"""The emulator as an ASGI application: bounds, authorisation, faults and errors around the endpoints.

Order of things: the body is read within its bound, then a fault may strike, then the key is checked,
then the endpoint runs in a thread. Every answer that is no success is
``{"success": false, "message": ...}``.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from greenflash_otel.emulator.endpoints import API, ENDPOINTS, OWN, Call, Endpoint, Reply
from greenflash_otel.emulator.faults import Fault, Faults
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.store import Store

MAX_BODY_BYTES = 4_500_000
"""Where the platform that Greenflash probably runs on stops; Greenflash itself documents no bound."""


def create_app(
    store: Store, *, faults: Faults, api_key: str | None = None, max_body_bytes: int = MAX_BODY_BYTES
) -> Starlette:
    """Make the application. Without an ``api_key`` any bearer token is as good as another."""

    def make_route(endpoint: Endpoint) -> Route:
        async def serve(request: Request) -> Response:
            body = await _read_body(request, max_body_bytes)
            fault = faults.choose(request.method, _path_of(request)) if _is_api(request) else None
            if (instead := await _strike(fault, after_commit=False)) is not None:
                return instead
            _authorise(request, api_key)
            reply = await run_in_threadpool(endpoint.handle, store, _read_call(request, endpoint, body))
            return await _strike(fault, after_commit=True) or _make_response(reply)

        return Route(endpoint.path.replace("{id}", "{id:path}"), serve, methods=[endpoint.method])

    app = Starlette(
        routes=[make_route(endpoint) for endpoint in ENDPOINTS],
        exception_handlers={
            Refused: _on_refusal,
            HTTPException: _on_http_exception,
            Exception: _on_exception,
        },
    )
    app.router.redirect_slashes = False
    return app


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


def _read_call(request: Request, endpoint: Endpoint, body: bytes) -> Call:
    path_id = ""
    if endpoint.path.endswith("{id}"):
        prefix = endpoint.path.removesuffix("{id}")
        raw = request.scope["raw_path"].decode("ascii").removeprefix(prefix)
        if not raw or "/" in raw:  # a slash in an id must be sent as %2F
            raise Refused(404, f"No route {request.url.path!r}; percent-encode the id as one segment")
        path_id = unquote(raw)
    return Call(
        url=str(request.url.replace(query="")).rstrip("?"),
        path=_path_of(request),
        path_id=path_id,
        query=dict(request.query_params),
        body=body,
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


def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 -- registered for it
    return _refuse(error.status, error.message)


def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for it
    messages = {
        404: f"No route {request.url.path!r}; the API begins at {API}",
        405: f"{request.method} is not allowed on {request.url.path!r}",
    }
    return _refuse(error.status_code, messages.get(error.status_code, error.detail), error.headers)


def _on_exception(request: Request, error: Exception) -> Response:
    return _refuse(500, f"The emulator failed: {type(error).__name__}; its log says more")
