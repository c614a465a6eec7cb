"""``greenflash-otel demo``: an application, recorded answers, a local Greenflash, and what arrived there."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import threading
import webbrowser

from openai import OpenAI

import greenflash_otel as greenflash
from greenflash_otel.demo.agent import is_possible, play_with_agent
from greenflash_otel.demo.local import NO_PROXY, PRODUCT
from greenflash_otel.demo.replay import Replay
from greenflash_otel.demo.story import play_all
from greenflash_otel.emulator import Emulator, render
from greenflash_otel.emulator.faults import Fault, FaultReply, Faults
from greenflash_otel.platform_support import has_screen

CONVERSATIONS = 5 if is_possible() else 4


def show(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0 if every captured message arrived, else 1."""
    os.environ |= NO_PROXY
    closable = Closable()
    with tempfile.TemporaryDirectory() as folder, Emulator(faults=closable) as emulator:
        closable.is_closed = arguments.pause
        _capture(emulator, arguments.outbox or folder)
        if arguments.pause:
            greenflash.flush(0)
            print(f"Captured, and not delivered: {greenflash.stats()}")
            print("Press Enter to deliver.", flush=True)
            sys.stdin.readline()
            closable.is_closed = False
        greenflash.flush(10)
        is_watched = sys.stdout.isatty() and not arguments.no_open
        return _report(emulator, keep=arguments.keep or is_watched, is_watched=is_watched)


class Closable(Faults):
    """An emulator that is out of service while it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False

    def choose(self, method: str, path: str) -> Fault | None:
        """Choose an error while it is closed."""
        return FaultReply(503) if self.is_closed else super().choose(method, path)


def _capture(emulator: Emulator, outbox: str) -> None:
    greenflash.instrument(
        api_key="gf_demo",
        product_id=PRODUCT,
        base_url=emulator.base_url,
        outbox=outbox,
        export="greenflash",
    )
    with Replay() as openai:
        client = OpenAI(base_url=openai.base_url, api_key="sk-recorded")
        play_all(client)
        client.close()
        if is_possible():
            play_with_agent(base_url=openai.base_url, api_key="sk-recorded")


def _report(emulator: Emulator, *, keep: bool, is_watched: bool) -> int:
    """Print what arrived, and where to see it; return the exit code."""
    stats = greenflash.stats()
    greenflash.shutdown(0)
    # Several are delivered at a time, so they are shown as they began, not as they arrived.
    conversations = sorted(
        emulator.conversations(), key=lambda conversation: conversation.messages[0].created_at
    )
    print("What Greenflash has now:\n")
    for conversation in conversations:
        print(render(conversation), end="\n\n")
    if not is_possible():
        print("LangChain is not installed, so the conversation with an agent is left out.")
    print(f"messages and outcomes: {stats}")
    print(f"as JSON: {emulator.url}/emulator/conversations")
    print(f"Look at the conversations: {emulator.url}/")
    if keep:
        with contextlib.suppress(KeyboardInterrupt):  # from the moment it is printed
            print("It runs until Ctrl+C.", flush=True)
            if is_watched and has_screen():
                webbrowser.open(emulator.url)
            threading.Event().wait()
    else:
        print("It ends with this program; `greenflash-otel demo --keep` leaves it running for a look.")
    return 0 if stats.delivered == stats.accepted and len(conversations) == CONVERSATIONS else 1
