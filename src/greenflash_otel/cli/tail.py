"""``greenflash-otel tail``: what arrives at an emulator, each thing once, through every restart of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from greenflash_otel.cli.emulator_reader import EmulatorGone, EmulatorReader, find_emulator, name_address
from greenflash_otel.cli.tail_lines import is_wanted, remove_content, write_line
from greenflash_otel.cli.text_columns import find_width, print_lines

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0


def follow(arguments: argparse.Namespace) -> NoReturn:
    """Print what arrives until Ctrl+C."""
    with find_emulator(arguments) as emulator:
        tail = _Tail(emulator, arguments)
        print(f"Watching {name_address(emulator.url)} until Ctrl+C.", file=sys.stderr, flush=True)
        while True:
            tail.follow()
            tail.wait()


class _Tail:
    """Knows the last request of which everything was printed."""

    def __init__(self, emulator: EmulatorReader, arguments: argparse.Namespace) -> None:
        self._emulator = emulator
        self._arguments = arguments
        place = emulator.read("arrivals", since=arguments.since)
        self._store: str = place["store"]
        self._cursor: int = place["next"]

    def follow(self) -> None:
        """Print until the emulator goes away."""
        try:
            with self._emulator.listen() as events:
                for event in events:  # the first one comes at once
                    if event == "stop":
                        return
                    self._print_arrivals()
        except EmulatorGone:
            return

    def wait(self) -> None:
        """Wait until the emulator answers again, and say what that means for what is printed."""
        began_s, pause_s = time.monotonic(), FIRST_PAUSE_S
        _say("the emulator does not answer; waiting for it")
        while True:
            try:
                page = self._emulator.read("arrivals", after=self._cursor)
                break
            except EmulatorGone:
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        after = f"reconnected after {time.monotonic() - began_s:.0f} s"
        if page["store"] == self._store:
            _say(f"{after}, nothing missed ({self._cursor} → {page['latest']})")
        else:
            _say(f"{after}; the emulator was emptied meanwhile, and begins anew")
            self._begin_anew(page["store"])

    def _print_arrivals(self) -> None:
        """Print what came after the cursor, and move that behind it."""
        for record in self._read_records():
            if is_wanted(record, self._arguments):
                shown = remove_content(record) if self._arguments.no_content else record
                print_lines([json.dumps(shown) if self._arguments.json else write_line(shown, find_width())])

    def _read_records(self) -> Iterator[Mapping[str, Any]]:
        while True:
            page = self._emulator.read("arrivals", after=self._cursor)
            if page["store"] != self._store:
                _say("the emulator was emptied, and begins anew")
                self._begin_anew(page["store"])
                continue
            yield from page["records"]
            is_at_end = page["next"] >= page["latest"] or page["next"] == self._cursor
            self._cursor = page["next"]
            if is_at_end:
                return

    def _begin_anew(self, store: str) -> None:
        self._store, self._cursor = store, 0


def _say(text: str) -> None:
    """Say something about the tail itself: on standard error, as programs read the other."""
    print(f"── {text} ──", file=sys.stderr, flush=True)
