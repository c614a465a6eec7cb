"""The pages as routes: read from the store in a thread, render, and send with the headers that protect them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from greenflash_otel.emulator.store import Store
from greenflash_otel.emulator.viewer import actions, guards, pages
from greenflash_otel.emulator.viewer.pages import PageRequest, RenderedPage
from greenflash_otel.emulator.viewer.rows import read_number

POLL_S = 0.1
"""How often a page's stream looks for what is new."""
HEARTBEAT_S = 15
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}

Build: TypeAlias = Callable[[PageRequest], RenderedPage]


class Viewer:
    """The pages of one emulator."""

    def __init__(self, store: Store, *, api_key: str | None, is_stopping: Callable[[], bool]) -> None:
        self._store = store
        self._guard = guards.Guard(api_key)
        self._is_stopping = is_stopping

    @property
    def routes(self) -> Sequence[Route]:
        """The routes of all pages."""
        builds: Sequence[tuple[str, Build]] = (
            ("/", pages.build_list),
            ("/c/{id}", pages.build_conversation),
            ("/c/{id}/text", pages.build_text),
            ("/c/{id}/json", pages.build_json),
            ("/c/{id}/requests", pages.build_requests_of),
            ("/c/{id}/m/{message}", pages.build_message),
            ("/outcomes", pages.build_outcomes),
            ("/outcomes/{name:path}", pages.build_event_type),
            ("/requests", pages.build_requests),
            ("/requests/{number}", pages.build_request),
            ("/requests/{number}/body", pages.build_body),
            ("/users", pages.build_users),
            ("/users/{name:path}", pages.build_user),
            ("/organizations", pages.build_organizations),
            ("/organizations/{name:path}", pages.build_organization),
            ("/unlinked", pages.build_unlinked),
            ("/find", pages.build_found),
        )
        return [
            *(Route(path, self._make_page_handler(build), methods=["GET"]) for path, build in builds),
            Route("/live", self._stream, methods=["GET"]),
            Route("/static/{hash}/{name}", self._send_static, methods=["GET"]),
            Route("/favicon.ico", self._send_icon, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/clear", self._clear, methods=["POST"]),
            Route("/requests/{number}/replay", self._replay, methods=["POST"]),
        ]

    def is_for_people(self, request: Request) -> bool:
        """Return whether a browser asks for a page, so that an error should be one too."""
        wants_page = "text/html" in request.headers.get("accept", "")
        return (
            request.method == "GET"
            and wants_page
            and not request.url.path.startswith(("/api/", "/emulator/"))
        )

    async def show_error(self, request: Request, status: int) -> Response:
        """Answer with a page that says where to go on."""
        return await self._send_page(request, lambda page_request: pages.build_missing(page_request, status))

    def _make_page_handler(self, build: Build) -> Callable[[Request], object]:
        async def handle(request: Request) -> Response:
            return await self._send_page(request, build)

        return handle

    async def _send_page(self, request: Request, build: Build, *, is_open: bool = False) -> Response:
        """Send a page; one that is not open only to whoever may see it."""
        if not (is_open or self._guard.may_see(request)):
            build = pages.build_login
        page_request = PageRequest(
            store=self._store,
            path=request.url.path,
            params=request.path_params,
            query=dict(request.query_params),
            base_url=str(request.base_url).rstrip("/"),
            theme=request.cookies.get("theme", ""),
            token=self._guard.token,
        )
        page = await run_in_threadpool(build, page_request)
        if page.location is not None:
            return RedirectResponse(page.location, 303, dict(guards.HEADERS))
        return Response(page.body, page.status, dict(guards.HEADERS), page.media_type)

    async def _stream(self, request: Request) -> Response:
        """Say what arrives: numbers and ids, and no content."""
        if not (self._guard.may_see(request) and guards.comes_from_here(request)):
            return Response("Open the page itself.", 403, dict(guards.HEADERS), "text/plain")
        after = read_number(request.headers.get("last-event-id") or request.query_params.get("after", ""))
        return StreamingResponse(
            self._report_arrivals(after), 200, dict(guards.HEADERS), media_type="text/event-stream"
        )

    async def _report_arrivals(self, after: int | None) -> AsyncIterator[str]:
        seen_changes, quiet_s = -1, 0.0
        store_id: str | None = None
        yield "retry: 1000\n\n"
        while not self._is_stopping():
            if self._store.changes != seen_changes:
                seen_changes, quiet_s = self._store.changes, 0.0
                arrivals = dict(await run_in_threadpool(pages.read_arrivals, self._store, after))
                was_emptied = store_id not in (None, arrivals["store"])
                store_id = arrivals.pop("store")
                if arrivals["position"] != after or was_emptied:
                    after = arrivals["position"]
                    yield f"id: {after}\nevent: arrived\ndata: {json.dumps(arrivals)}\n\n"
            elif quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(POLL_S)
            quiet_s += POLL_S
        yield "event: stop\ndata: {}\n\n"

    async def _send_static(self, request: Request) -> Response:
        from greenflash_otel.emulator.viewer import (
            rendering,
        )  # imports Jinja2, which tests without pages need not

        name = request.path_params["name"]
        if name not in rendering.STATIC:
            return await self.show_error(request, 404)
        content, hash = rendering.read_static(name)
        is_current = hash == request.path_params["hash"]
        headers = FOR_EVER if is_current else {**FOR_EVER, "cache-control": "no-store"}
        return Response(content, 200, dict(headers), rendering.STATIC[name])

    async def _send_icon(self, request: Request) -> Response:
        from greenflash_otel.emulator.viewer import rendering  # see above

        content, _ = rendering.read_static("icon.svg")
        return Response(content, 200, dict(FOR_EVER), "image/svg+xml")

    async def _log_in(self, request: Request) -> Response:
        form = await guards.read_form(request)
        session = self._guard.exchange(form.get("key", ""))
        if session is None or not guards.comes_from_here(request):
            return await self._send_page(request, partial(pages.build_login, was_wrong=True), is_open=True)
        response = RedirectResponse("/", 303, dict(guards.HEADERS))
        response.set_cookie(guards.COOKIE, session, httponly=True, samesite="strict")
        return response

    async def _clear(self, request: Request) -> Response:
        return await self._change(request, lambda: actions.clear(self._store))

    async def _replay(self, request: Request) -> Response:
        number = read_number(request.path_params["number"])
        return await self._change(request, lambda: actions.replay(self._store, number))

    async def _change(self, request: Request, change: Callable[[], str]) -> Response:
        """Do what a form of ours asks for, and go to the address that comes back."""
        form = await guards.read_form(request)
        if not (self._guard.may_see(request) and self._guard.may_change(request, form)):
            return await self._send_page(request, pages.build_expired)
        return RedirectResponse(await run_in_threadpool(change), 303, dict(guards.HEADERS))
