"""Serve the chat with a recorded answer and a local Greenflash, or with your accounts if their variables are set."""

import os
from contextlib import ExitStack

import uvicorn

from greenflash_otel.demo.local import local_services

with ExitStack() as stack:
    if not (os.environ.get("OPENAI_API_KEY") and os.environ.get("GREENFLASH_API_KEY")):
        emulator = stack.enter_context(local_services())
        print("Greenflash:", emulator.url)
    uvicorn.run("chat:app", port=int(os.environ.get("PORT", "8000")))
