"""The whole proof of delivery, and its figures: ``make soak``.

``python -m tests.faults.proof [--seconds 600] [--examples 20000] [--seed N] [--write]``. With ``--write`` the
figures go into ``docs/reliability.md``. Exit status 1 if anything that was promised did not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys

from tests.faults import oracle
from tests.faults.power import replay
from tests.faults.report import table, write
from tests.faults.soak import ROOT, soak
from tests.faults.sweep import sweep


def model(examples: int) -> bool:
    """Try so many histories of the stateful model; whether all of them end well."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--timeout=0", "tests/delivery/test_model.py"],
        cwd=ROOT,
        env={**os.environ, "MODEL_EXAMPLES": str(examples)},
        check=False,
        stdout=sys.stderr,
    )
    return done.returncode == 0


def main() -> int:
    """Run all of it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the soak")
    parser.add_argument("--examples", type=int, default=20_000, help="of the model")
    parser.add_argument("--seed", type=int, help="repeat the blows of another run")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/reliability.md")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    _say(f"seed {seed}")
    swept, replayed = sweep(), replay()
    _say(*swept.broken, *replayed.broken)
    modelled = model(given.examples)
    verdict, how = soak(given.seconds, seed)
    _say(
        *verdict.lost, *verdict.doubled, *verdict.out_of_order, *verdict.shown_out_of_order, *verdict.changed
    )
    proof = {
        "histories of the model, each of up to 30 steps": given.examples,
        "**of these wrong**": 0 if modelled else "at least 1",
        "system calls at which a process was killed, and halves of writes": swept.points,
        "**after which something was missing, out of order or left over**": len(swept.broken),
        "states of a disk after a power cut": replayed.states,
        "**in which something was missing, damaged or out of order**": len(replayed.broken),
    }
    soaked = {**how, **oracle.row(verdict)}
    print(f"{table(proof)}\n\n{table(soaked)}")  # noqa: T201 - a program
    if given.write:
        write("proof", proof)
        write("soak", soaked)
    return 0 if modelled and verdict.is_clean and not swept.broken and not replayed.broken else 1


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
