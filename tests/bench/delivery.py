"""What delivery costs beside a raw post, and an outcome beside a commit. A benchmark, not a test.

``python tests/bench/delivery.py`` measures both pairs by turns in one process. A raw post is one of the client
that delivers: our own connections, or an ``httpx.Client`` that the application passed. ``--write`` puts the result
into ``docs/performance.md``.
"""

from __future__ import annotations

import re
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx

import greenflash_otel as greenflash
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.bench.peers.scenarios import Application, chat
from tests.bench.peers.server import serving
from tests.conftest import PRODUCT
from tests.delivery.fakes import messages
from tests.delivery.making import make_delivery

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
MEASURED = re.compile(r"(?<=<!-- delivery -->\n).*?(?=\n<!-- /delivery -->)", re.DOTALL)
ROUNDS = 7
REQUESTS = 300
OUTCOMES = 300
CALLS_PER_S = 150


def main() -> None:
    """Measure and print; write with ``--write``."""
    with serving() as url:
        table = "\n".join([*_compare_deliveries(f"{url}/api/v1"), "", *_compare_outcomes(url)])
    print(table)
    if "--write" in sys.argv:
        PAGE.write_text(MEASURED.sub(lambda _: table, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _compare_deliveries(url: str) -> Iterator[str]:
    yield "| Client | Raw post, µs | Delivery, × | Delivery of a backlog of 20 times as many, × |"
    yield "|---|---:|---:|---:|"
    for title, given in (("Ours", False), ("Yours, `http_client=`", True)):
        raw: list[float] = []
        ratios: list[float] = []
        long: list[float] = []
        for _ in range(ROUNDS):
            raw.append(_time_posts(url, given=given))
            ratios.append(_time_deliveries(url, REQUESTS, given=given) / raw[-1])
            long.append(_time_deliveries(url, 20 * REQUESTS, given=given) / raw[-1])
        yield f"| {title} | {statistics.median(raw):.0f} | {_spread(ratios)} | {_spread(long)} |"


def _time_posts(url: str, *, given: bool) -> float:
    """Return the microseconds of processor time that a post takes."""
    request = _request(0)
    if given:
        with httpx.Client() as client:
            headers = {"authorization": "Bearer gf_bench", "content-type": "application/json"}
            return _cpu_us(lambda: client.post(url + request.path, content=request.body, headers=headers))
    with closing(Client(url, "gf_bench")) as ours:
        return _cpu_us(lambda: ours.send(request))


def _cpu_us(post: Callable[[], object]) -> float:
    post()
    began_s = time.process_time()
    for _ in range(REQUESTS):
        post()
    return (time.process_time() - began_s) / REQUESTS * 1e6


def _time_deliveries(url: str, count: int, *, given: bool) -> float:
    """Return the same of a delivery: claimed, sent, judged, settled, deleted."""
    with tempfile.TemporaryDirectory() as folder, httpx.Client() as application:
        outbox = Outbox(folder)
        outbox.put([_request(number) for number in range(count)])
        began_s = time.process_time()
        worker = make_delivery(outbox, Client(url, "gf_bench", http_client=application if given else None))
        if not worker.flush(120.0):
            raise RuntimeError(str(worker.stats()))
        took_s = time.process_time() - began_s
        worker.close(5.0)
        return took_s / count * 1e6


def _request(number: int) -> ApiRequest:
    return messages(f"chat-{number}", "question", "answer", size=500)


def _compare_outcomes(url: str) -> Iterator[str]:
    yield "| Beside it | A commit of the disk, µs (p50, p95) | `record_outcome`, × the p50 (p50, p95) |"
    yield "|---|---:|---:|"
    with tempfile.TemporaryDirectory() as folder, closing(_open_database(folder)) as db:
        greenflash.instrument(
            api_key="gf_bench", product_id=PRODUCT, base_url=f"{url}/api/v1", outbox=f"{folder}/outbox"
        )
        yield _compare_with_commits("nothing", db)
        with _calls_beside(url):
            yield _compare_with_commits(f"{CALLS_PER_S} calls a second", db)
        greenflash.shutdown(5.0)


def _compare_with_commits(beside: str, db: sqlite3.Connection) -> str:
    commits: list[float] = []
    outcomes: list[float] = []
    for number in range(OUTCOMES):
        commits.append(_wall_us(lambda: db.execute("INSERT INTO kept VALUES (?)", (b"x" * 600,))))
        record = partial(greenflash.record_outcome, "sale", conversation_id=f"c{number % 50}")
        outcomes.append(_wall_us(record))
        time.sleep(0.002)
    middle = _quantile(commits, 0.5)
    ratios = [_quantile(outcomes, q) / middle for q in (0.5, 0.95)]
    return f"| {beside} | {middle:.0f}, {_quantile(commits, 0.95):.0f} | {ratios[0]:.1f}, {ratios[1]:.1f} |"


@contextmanager
def _calls_beside(url: str) -> Iterator[None]:
    call = chat(Application(f"{url}/v1", lambda client: client, list))
    stop = threading.Event()

    def run() -> None:
        number, next_s = 0, time.perf_counter()
        while not stop.is_set():
            with greenflash.conversation(f"c{number % 50}"):
                call(number)
            number, next_s = number + 1, next_s + 1 / CALLS_PER_S
            time.sleep(max(next_s - time.perf_counter(), 0.0))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        time.sleep(0.5)
        yield
    finally:
        stop.set()
        thread.join()


def _open_database(folder: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{folder}/raw.sqlite3", isolation_level=None)
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    db.execute("CREATE TABLE kept (body BLOB)")
    return db


def _wall_us(act: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_s) * 1e6


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


if __name__ == "__main__":
    main()
