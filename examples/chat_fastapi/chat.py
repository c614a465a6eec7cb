"""A streaming chat with a thumb under each answer, and its conversations in Greenflash.

``uvicorn --app-dir examples/chat_fastapi chat:app`` serves it; ``try_chat.py`` does so without an account.
``docs/how-to/fastapi.md`` explains it. FastAPI is built on Starlette, and takes the same lifespan and middleware.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, OpenAIError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

import greenflash_otel as greenflash

MODEL = "gpt-4o-mini"
PAGE = Path(__file__).with_name("page.html")


@dataclass
class Chat:
    """A chat of one user. Yours is in a database."""

    user: str
    messages: list[Any] = field(default_factory=list)
    answer_ids: set[str] = field(default_factory=set)


CHATS: dict[str, Chat] = {}


def find_user(scope: Mapping[str, Any]) -> str:
    """Return who asks: here a cookie says so, in your application the session does."""
    return HTTPConnection(dict(scope)).cookies.get("user", "guest")


def find_chat(request: Request) -> Chat:
    """Return the chat of a request; nobody gets that of another user."""
    user = find_user(request.scope)
    chat = CHATS.setdefault(request.path_params["chat_id"], Chat(user))
    if chat.user != user:
        raise HTTPException(404)
    return chat


# [instrument]
greenflash.instrument()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Deliver what is left when the server ends."""
    async with AsyncOpenAI() as app.state.openai:
        yield
    await greenflash.ashutdown()


def find_conversation(scope: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of `conversation()` for a request, by its path and its user."""
    chat = re.match(r"/chats/([\w-]+)/", scope["path"])
    return None if chat is None else {"id": chat[1], "user_id": find_user(scope)}


# [answer]
async def say(request: Request) -> Response:
    """Answer what the user wrote."""
    chat = find_chat(request)
    chat.messages.append({"role": "user", "content": (await request.json())["text"]})
    return StreamingResponse(answer(request.app.state.openai, chat), media_type="application/x-ndjson")


async def regenerate(request: Request) -> Response:
    """Answer the last question again: the same messages, without the answer that the user did not like."""
    chat = find_chat(request)
    if chat.messages and chat.messages[-1]["role"] == "assistant":
        chat.messages.pop()
    return StreamingResponse(answer(request.app.state.openai, chat), media_type="application/x-ndjson")


async def answer(openai: AsyncOpenAI, chat: Chat) -> AsyncIterator[str]:
    """Yield the answer in lines of JSON, each with the id that the browser keeps for the thumb."""
    said = ""
    try:
        async with await openai.chat.completions.create(
            model=MODEL, messages=chat.messages, stream=True
        ) as chunks:
            async for chunk in chunks:
                id = greenflash.message_id(chunk)
                if id is not None:
                    chat.answer_ids.add(id)
                text = chunk.choices[0].delta.content or "" if chunk.choices else ""
                said += text
                yield json.dumps({"id": id, "text": text}) + "\n"
    except OpenAIError:
        yield json.dumps({"text": "There is no answer now. Please try again."}) + "\n"
    finally:  # also if the user closes the tab
        if said:
            chat.messages.append({"role": "assistant", "content": said})


# [rate]
async def rate(request: Request) -> Response:
    """Rate an answer that this user was shown."""
    chat, rating = find_chat(request), await request.json()
    if rating["id"] not in chat.answer_ids:
        raise HTTPException(404)
    await greenflash.arecord_rating(rating["up"], message_id=rating["id"])
    return Response(status_code=204)


# [app]
app = Starlette(
    routes=[
        Route("/", lambda request: FileResponse(PAGE)),
        Route("/chats/{chat_id}/messages", say, methods=["POST"]),
        Route("/chats/{chat_id}/regenerate", regenerate, methods=["POST"]),
        Route("/chats/{chat_id}/ratings", rate, methods=["POST"]),
    ],
    middleware=[Middleware(greenflash.AsgiMiddleware, find_conversation=find_conversation)],
    lifespan=lifespan,
)
# [end]
