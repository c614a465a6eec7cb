"""Our own failures: each is counted, the first of each kind is logged, and nobody waits."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Stats, add_process_counts
from greenflash_otel.docs_links import PAGES
from tests.delivery.processes import output_of


def test_nothing_is_miscounted_by_many_threads() -> None:
    """Adding to a count is no single step of the interpreter."""

    def count() -> None:
        for _ in range(2_000):
            internal_errors.count_lost("a", 2)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert internal_errors.get_counts().lost == {"a": 32_000}


def test_counting_within_counting() -> None:
    """A signal handler may come between any two instructions. Here: while another count is summed up."""
    tally = internal_errors._tally

    def change(counts: internal_errors.Counts) -> None:
        internal_errors.count_lost("within")
        counts.unlinked += 1

    tally.add(change)
    counts = internal_errors.get_counts()
    assert (counts.lost["within"], counts.unlinked) == (1, 1)


def test_a_thread_that_counts_does_not_wait_for_one_that_sums_up() -> None:
    """What it adds is there for the next reader."""
    tally = internal_errors._tally
    with tally._lock:
        internal_errors.count_repaired()
    assert internal_errors.get_counts().repaired == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_counts_anew() -> None:
    """The parent has counted what was before, and its threads' locks are not the child's."""
    script = """
from greenflash_otel import internal_errors
internal_errors.count_lost("a")
internal_errors._tally._lock.acquire()
if child := os.fork():
    os.waitpid(child, 0)
else:
    internal_errors.count_lost("b")
    print(dict(internal_errors.get_counts().lost), flush=True)
    os._exit(0)
"""
    assert output_of(script).splitlines() == ["{'b': 1}"]


def test_the_counts_of_the_process_are_part_of_the_sum() -> None:
    """Lost before any pipeline had it is lost all the same."""
    internal_errors.count("convert a span", ValueError(), lost="conversion_failed")
    internal_errors.count_unlinked()
    stats = add_process_counts(Stats(accepted=3, delivered=2, lost={"conversion_failed": 1}))
    assert stats.accepted == stats.delivered + sum(stats.lost.values()) == 4
    assert str(stats) == (
        "accepted 4 = delivered 2 + pending 0 + rejected 0 + lost 2 (conversion_failed 2)"
        "; internal errors 1 (convert a span 1); unlinked 1"
    )


def test_the_first_of_each_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Without what was worked on."""
    for _ in range(3):
        internal_errors.count("do a thing", ValueError("a secret"), lost="thing_failed")
    internal_errors.warn_once("the key is refused by a", key="refused a")
    internal_errors.warn_once("the key is refused by a, again", key="refused a")
    internal_errors.warn_once("the key is refused by b", key="refused b")
    assert caplog.messages == [
        "could not do a thing (ValueError) and lost what it worked on; further failures are only counted "
        f"[{PAGES['internal errors']}]",
        "the key is refused by a",
        "the key is refused by b",
    ]


def test_a_handler_of_the_application_that_fails_harms_nobody() -> None:
    """It is counted."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ZeroDivisionError

    handler = Broken()
    logging.getLogger("greenflash_otel").addHandler(handler)
    try:
        internal_errors.warn_once("something")
    finally:
        logging.getLogger("greenflash_otel").removeHandler(handler)
    assert internal_errors.get_internal_errors() == {"log a message": 1}


IMPORT = "import greenflash_otel"
WARN = """
from greenflash_otel import internal_errors
for _ in range(2):
    internal_errors.warn_once("look here")
"""
A_HANDLER_FOR_US = """
handler = logging.StreamHandler()
handler.setFormatter(logging.Formatter("ours: %(message)s"))
logging.getLogger("greenflash_otel").addHandler(handler)
"""
DICT_CONFIG = """
import logging.config
handlers = {"h": {"class": "logging.StreamHandler"}}
logging.config.dictConfig({"version": 1, "handlers": handlers, "root": {"handlers": ["h"]},
                           "disable_existing_loggers": False})
"""
NULL_HANDLER = "logging.getLogger('greenflash_otel').addHandler(logging.NullHandler())"


@pytest.mark.parametrize(
    ("set_up", "said"),
    [
        pytest.param("", ["look here"], id="nothing set up"),
        pytest.param("logging.basicConfig()", ["WARNING:greenflash_otel:look here"], id="basicConfig"),
        pytest.param("logging.basicConfig(level='ERROR')", [], id="a level for all"),
        pytest.param("logging.disable(logging.WARNING)", [], id="disabled"),
        pytest.param("logging.getLogger('greenflash_otel').setLevel('ERROR')", [], id="a level for us"),
        pytest.param(NULL_HANDLER, [], id="a handler that says nothing"),
        pytest.param(A_HANDLER_FOR_US, ["ours: look here"], id="a handler for us"),
        pytest.param(DICT_CONFIG, ["look here"], id="dictConfig"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_person_sees(set_up: str, said: list[str], is_first: bool) -> None:
    """One line without any set-up; else what the application's logging settings say, never twice."""
    order = [set_up, IMPORT] if is_first else [IMPORT, set_up]
    script = "\n".join(["import logging, sys", "sys.stderr = sys.stdout", *order, WARN])
    assert output_of(script).splitlines() == said
