"""What instrumenting costs, side by side with others. A benchmark, not a test.

``python -m tests.bench.peers.compare`` runs every peer in every scenario, each time in a process of its own and
each peer in an environment of its own, by turns, so that a noisy machine treats all alike. What a process takes
without instrumentation in the same round is subtracted. It prints ratios to OpenTelemetry's own instrumentation.
``--write`` puts them into ``docs/performance.md``. Peers whose environment cannot be made are named and left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench.peers.scenarios import SCENARIOS
from tests.bench.peers.server import serving

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs" / "performance.md"
REQUIREMENTS: Final = Path(__file__).parent / "requirements"
ENVIRONMENTS: Final = ROOT / ".venv" / "bench"
NOTHING, OURS, REFERENCE = "nothing", "greenflash", "genai"
TITLES: Final = {
    OURS: "Greenflash",
    REFERENCE: "OpenTelemetry",
    "openinference": "OpenInference",
    "openllmetry": "OpenLLMetry",
    "langfuse": "Langfuse",
    "langsmith": "LangSmith",
    "logfire": "Logfire",
}
ALL: Final = (*SCENARIOS, "cold start")
TIMEOUT_S: Final = 300.0
MEASURED: Final = re.compile(r"(?<=<!-- measured -->\n).*?(?=\n<!-- /measured -->)", re.DOTALL)
NOT_OF: Final = {("logfire", "LangGraph run")}
"""What a peer does not instrument."""


@dataclass
class Results:
    """What was measured: microseconds by scenario, peer and kind, one per round."""

    us: dict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def list_added(self, scenario: str, peer: str, kind: str) -> list[float]:
        """Return what a peer adds to an operation, by round; a round that failed is left out."""
        both = zip(self.us[scenario, peer, kind], self.us[scenario, NOTHING, kind], strict=True)
        return [added for us, bare in both if not math.isnan(added := us - bare)]

    def median_added(self, scenario: str, peer: str, kind: str) -> float | None:
        """Return what a peer adds to an operation, the median of all rounds; None if it was not measured."""
        added = self.list_added(scenario, peer, kind)
        return statistics.median(added) if added else None


def main() -> None:
    """Measure and print; write with ``--write``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=list(TITLES))
    parser.add_argument("--scenarios", nargs="*", default=list(ALL))
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    pythons = {NOTHING: sys.executable, OURS: sys.executable}
    for peer in options.peers:
        if peer != OURS and (python := _set_up(peer, options.environments)) is not None:
            pythons[peer] = python
    results = Results()
    with serving() as url:
        for number in range(options.rounds):
            for scenario in options.scenarios:
                _measure(results, scenario, _turned(list(pythons), number), pythons, url)
    table = "\n".join(write_table(results, options.scenarios, list(pythons), options.rounds))
    print(table)
    if options.write:
        PAGE.write_text(MEASURED.sub(lambda _: table, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def write_table(
    results: Results, scenarios: Sequence[str], peers: Sequence[str], rounds: int
) -> Iterator[str]:
    """Write what was measured: the machine, the versions, and two tables of ratios."""
    shown = [peer for peer in TITLES if peer in peers]
    yield (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, "
        f"medians of {rounds} rounds; in brackets the smallest and the largest."
    )
    yield f"Not in this run: {', '.join(set(TITLES) - set(shown)) or 'none'}."
    for kind, title in (("total", "All threads of the process"), ("caller", "The caller's thread alone")):
        yield f"\n**{title}**, × OpenTelemetry's own\n"
        yield f"| Operation | OpenTelemetry, µs | {' | '.join(TITLES[p] for p in shown if p != REFERENCE)} |"
        yield "|---" + "|---:" * len(shown) + "|"
        for scenario in scenarios:
            added = results.list_added(scenario, REFERENCE, kind)
            first = _write_spread(added, "{:.0f}") if added else "–"
            others = (_write_ratio(results, scenario, peer, kind) for peer in shown if peer != REFERENCE)
            yield f"| {scenario} | {first} | {' | '.join(others)} |"


def _write_ratio(results: Results, scenario: str, peer: str, kind: str) -> str:
    reference = results.median_added(scenario, REFERENCE, kind)
    if not reference or (peer, scenario) in NOT_OF:
        return "–"
    added = results.list_added(scenario, peer, kind)
    return _write_spread([us / reference for us in added], "{:.2f}") if added else "–"


def _write_spread(values: Sequence[float], form: str) -> str:
    middle, least, most = (form.format(f(values)) for f in (statistics.median, min, max))
    return f"{middle} ({least}–{most})"


def _measure(
    results: Results, scenario: str, peers: Sequence[str], pythons: dict[str, str], url: str
) -> None:
    """Run all peers once in a scenario. A peer that fails has a round less."""
    found: dict[str, dict[str, float]] = {}
    for peer in peers:
        with tempfile.TemporaryDirectory() as folder:
            command = [pythons[peer], "-m", "tests.bench.peers.worker", peer, scenario, url, folder]
            try:
                done = subprocess.run(
                    command, cwd=ROOT, capture_output=True, check=True, text=True, timeout=TIMEOUT_S
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                said = str(error.stderr or "").strip().splitlines()
                print(f"{peer} failed in {scenario}: {said[-1:] or error}", file=sys.stderr)
                continue
        found[peer] = json.loads(done.stdout.splitlines()[-1])
    for peer in peers:
        for kind in ("caller", "total"):
            results.us[scenario, peer, kind].append(found.get(peer, {}).get(kind, math.nan))


def _turned(peers: list[str], number: int) -> list[str]:
    """Return the peers in another order each round."""
    at = number % len(peers)
    return peers[at:] + peers[:at]


def _set_up(peer: str, environments: Path) -> str | None:
    """Return the Python of a peer's environment, which is made if there is none; None if that fails."""
    python, ready = environments / peer / "bin" / "python", environments / peer / ".ready"
    if not ready.exists():
        requirements = ["-r", str(REQUIREMENTS / "common.txt"), "-r", str(REQUIREMENTS / f"{peer}.txt")]
        install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
        make = [sys.executable, "-m", "venv", "--without-pip", "--clear", str(environments / peer)]
        try:
            subprocess.run(make, check=True)
            subprocess.run([sys.executable, *install, *requirements], check=True)
        except subprocess.CalledProcessError:
            print(f"the environment of {peer} could not be made", file=sys.stderr)
            return None
        ready.touch()
    return str(python)


if __name__ == "__main__":
    main()
