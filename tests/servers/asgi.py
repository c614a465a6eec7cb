"""An application for ASGI servers, as a reader of ``docs/servers.md`` writes it.

``app`` has the lifespan of that page, ``bare`` has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import greenflash_otel as greenflash
from tests.servers.model import asked, async_client

greenflash.instrument()
model = async_client()


async def tell(request: Request) -> Response:
    """One call, whole."""
    with greenflash.conversation(request.path_params["id"]):
        answer = await model.chat.completions.create(**asked())
    return PlainTextResponse(answer.choices[0].message.content)


async def stream(request: Request) -> Response:
    """A stream that the browser reads as it comes."""

    words = request.path_params["words"]

    async def said() -> AsyncIterator[str]:
        with greenflash.conversation(request.path_params["id"]):
            async for chunk in await model.chat.completions.create(**asked(stream=True, max_tokens=words)):
                yield chunk.choices[0].delta.content or ""
                await asyncio.sleep(0.05)

    return StreamingResponse(said())


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """End with the server."""
    yield
    greenflash.shutdown()


routes = [Route("/tell/{id}", tell), Route("/stream/{id}/{words:int}", stream)]
bare = Starlette(routes=routes)
app = Starlette(routes=routes, lifespan=lifespan)
