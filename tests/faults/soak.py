"""Everything at once, for minutes: applications that are killed, stopped and restarted, with a bad network
and a bad server between them and Greenflash; then the trouble ends, and the oracle compares. See `proof`.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from greenflash_otel.delivery.shared_notes import FILE_NAME
from greenflash_otel.emulator.faults import Fault, FaultReply, Faults
from greenflash_otel.emulator.server import Emulator
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from tests.conftest import PRODUCT
from tests.faults import oracle, proxy
from tests.faults.oracle import Life, Verdict

ROOT = Path(__file__).parents[2]
APPLICATIONS = 4
BLOW_S = 0.8
"""Between two blows to a process, on average."""
STOPPED_S = 2.0
"""How long a process stands still, on average."""
NETWORK_FAULTS, SERVER_FAULTS = 0.1, 0.1
"""Shares of requests."""
SLOW = (proxy.stall, proxy.swallow, proxy.repeat_late)
"""Network faults that take the client's whole timeout; rare, so that something gets through."""
SLOW_SHARE = 0.02
DRAIN_S = 900.0

ANSWERS: tuple[FaultReply, ...] = (
    FaultReply(500),
    FaultReply(502, body=b"<html>bad gateway</html>"),
    FaultReply(503),
    FaultReply(503, headers={"retry-after": "1"}),
    FaultReply(429, headers={"retry-after": "2"}),
    FaultReply(429),
    FaultReply(408),
    FaultReply(409),
    FaultReply(200, body=b"<html>welcome</html>"),
    FaultReply(200, body=b'{"success":tr'),
    FaultReply(500, after_commit=True),
    FaultReply(200, body=b"", after_commit=True),
)


class Moods(Faults):
    """A server that fails now and then, until it is told to be well."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self.well = False
        self.done: Counter[int] = Counter()

    def choose(self, method: str, path: str) -> Fault | None:
        """A fault for some requests."""
        if self.well or self._dice.random() >= SERVER_FAULTS:
            return None
        answer = self._dice.choice(ANSWERS)
        self.done[answer.status] += 1
        return answer


@dataclass
class Place:
    """Where an application runs, one life after another."""

    name: str
    running: subprocess.Popen[str]
    life: Life
    listener: threading.Thread


@dataclass
class Soak:
    """The processes, what they told, and what was done to them."""

    environment: dict[str, str]
    dice: random.Random
    lives: list[Life] = field(default_factory=list)
    blows: Counter[str] = field(default_factory=Counter)

    def begin(self, name: str) -> Place:
        """Start an application."""
        seed = str(self.dice.randrange(10**9))
        running = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.application", name, seed],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        life = Life(name)
        self.lives.append(life)
        listener = threading.Thread(target=_listen, args=(running, life))
        listener.start()
        return Place(name, running, life, listener)

    def kill(self, place: Place) -> None:
        """End a process with no chance to say goodbye."""
        place.life.ended_s = time.monotonic()
        place.running.kill()
        _bury(place)

    def end(self, place: Place) -> None:
        """Ask a process to end."""
        place.running.terminate()
        _bury(place)

    def stop(self, place: Place) -> None:
        """Let a process stand still for a while."""
        began_s = time.monotonic()
        place.running.send_signal(signal.SIGSTOP)
        threading.Event().wait(self.dice.expovariate(1 / STOPPED_S))
        place.running.send_signal(signal.SIGCONT)
        place.life.stopped.append((began_s, time.monotonic()))

    def run(self, seconds: float) -> None:
        """Deal blows until the time is up, then end everybody: half of them kindly."""
        places = [self.begin(f"application {n}") for n in range(APPLICATIONS)]
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            threading.Event().wait(self.dice.expovariate(1 / BLOW_S))
            index = self.dice.randrange(len(places))
            blow = self.dice.choice((self.kill, self.kill, self.end, self.stop))
            self.blows[blow.__name__] += 1
            blow(places[index])
            if places[index].running.poll() is not None:
                places[index] = self.begin(places[index].name)
        for place, last in zip(places, (self.end, self.kill) * APPLICATIONS, strict=False):
            last(place)


def _listen(running: subprocess.Popen[str], life: Life) -> None:
    assert running.stdout is not None
    for line in running.stdout:
        if line.endswith("\n"):
            life.hear(line)


def _bury(place: Place) -> None:
    place.running.wait()
    place.listener.join()
    assert place.running.stdout is not None
    place.running.stdout.close()


def soak(seconds: float, seed: int) -> tuple[Verdict, dict[str, object]]:
    """Run it; the verdict, and how it was run."""
    dice = random.Random(seed)
    moods, network_dice = Moods(random.Random(seed + 1)), random.Random(seed + 2)

    def weather() -> proxy.Fault:
        if moods.well or network_dice.random() >= NETWORK_FAULTS:
            return proxy.pass_on
        fast = [fault for fault in proxy.FAULTS if fault not in SLOW]
        return network_dice.choice(SLOW if network_dice.random() < SLOW_SHARE else fast)

    with ExitStack() as stack:
        outbox = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "outbox"
        emulator = stack.enter_context(Emulator(faults=moods))
        network = stack.enter_context(proxy.Proxy(lambda: emulator.port, weather))
        base_url = f"http://127.0.0.1:{network.port}/api/v1"
        environment = {
            **os.environ,
            "GREENFLASH_API_KEY": "gf_soak",
            "GREENFLASH_PRODUCT_ID": PRODUCT,
            "GREENFLASH_BASE_URL": base_url,
            "GREENFLASH_OUTBOX": str(outbox),
        }
        soaking = Soak(environment, dice)
        soaking.run(seconds)
        moods.well = True
        pipeline = Pipeline(Settings.read(environment))
        drained = pipeline.flush(DRAIN_S)
        left = pipeline.stats()
        pipeline.shutdown(1.0)
        verdict = oracle.judge(
            soaking.lives,
            emulator.conversations(),
            emulator.requests(),
            [outcome.value for outcome in emulator.outcomes()],
        )
        databases = set(outbox.glob("*.sqlite3")) - {outbox / FILE_NAME}
        files = [path.name for path in databases if _holds_entries(path)]
    how: dict[str, object] = {
        "seed": str(seed),
        "seconds": round(seconds),
        "applications at a time": APPLICATIONS,
        "processes in all": len(soaking.lives),
        "killed (`kill -9`)": soaking.blows["kill"],
        "stopped for a while": soaking.blows["stop"],
        "ended (SIGTERM)": soaking.blows["end"],
        "times the disk was full": sum(len(life.full) for life in soaking.lives),
        "requests harmed by the network": sum(network.done.values()) - network.done["pass_on"],
        "requests harmed by the server": sum(moods.done.values()),
    }
    if not drained or files:
        raise SystemExit(f"the outbox did not drain: {left}; {files}")
    return verdict, how


def _holds_entries(path: Path) -> bool:
    """Whether a file holds anything but what is known of conversations."""
    with closing(sqlite3.connect(path)) as db:
        tables = ("entries", "rejected")
        return any(db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608
