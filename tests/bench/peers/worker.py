"""One peer in one scenario, in a process of its own: prints what it took, as JSON.

``python -m tests.bench.peers.worker PEER SCENARIO SERVER_URL FOLDER``, run by the Python of the peer's environment.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from importlib import import_module
from typing import Any

from tests.bench.peers.scenarios import SCENARIOS, Application

WARM_UP = 3


def main(name: str, scenario: str, server_url: str, folder: str) -> None:
    """Measure and print."""
    import_module("openai")
    if scenario == "LangGraph run":
        import_module("langgraph.graph")
    began_s = time.process_time()
    peer: Any = import_module(f"tests.bench.peers.{name}")
    peer.begin(server_url, folder)
    begin_us = (time.process_time() - began_s) * 1e6
    if scenario == "cold start":
        print(json.dumps({"caller": begin_us, "total": begin_us}), flush=True)
        return
    prepare, count, parts = SCENARIOS[scenario]
    wrap = getattr(peer, "wrap", lambda client: client)
    operate = prepare(Application(f"{server_url}/v1", wrap, getattr(peer, "callbacks", list)))
    for number in range(WARM_UP):
        operate(number)
    peer.flush()
    gc.collect()
    total_s, caller_s = time.process_time(), time.thread_time()
    for number in range(WARM_UP, WARM_UP + count):
        operate(number)
    caller_us = (time.thread_time() - caller_s) / count / parts * 1e6
    peer.flush()
    total_us = (time.process_time() - total_s) / count / parts * 1e6
    print(json.dumps({"caller": caller_us, "total": total_us}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
