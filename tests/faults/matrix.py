"""The fault matrix: what can go wrong, what is promised then, and the tests that show it.

``python -m tests.faults.matrix`` puts the table into ``docs/reliability.md``; a test looks whether the page
has it and whether the tests exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.faults.attacks import ATTACKS
from tests.faults.report import PAGE, with_part

ROOT: Final = PAGE.parents[1]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of fault."""

    fault: str
    promise: str
    tests: tuple[str, ...]
    """Each as ``file::test``, below ``tests/``."""
    limit: str = ""
    """What cannot be run here, or is not promised, and why."""


MODEL: Final = "delivery/test_model.py::TestDelivery"
SOAK: Final = "faults/test_soak.py::test_a_few_seconds_of_everything"
NETWORK: Final = "faults/test_proxy.py::test_one_request_in_three_has_a_fault"
SWEEP: Final = "faults/test_sweep.py::test_killed_at_any_system_call"
VERDICTS: Final = "delivery/test_policy.py::test_a_request_of_one_item"

ROWS: Final[tuple[Row, ...]] = (
    Row(
        "`kill -9` at random moments, under load",
        "What was committed is delivered by the next process",
        (SOAK, "delivery/test_outbox_disk.py::test_nothing_that_was_put_dies_with_the_process"),
    ),
    Row(
        "`kill -9` at every system call that changes a file, and half way through every write",
        "As above; also while a file is taken over, split or removed",
        (SWEEP, "faults/test_sweep.py::test_the_sweep_finds_a_liar"),
        "`make test` takes one call in eleven, `make soak` all. On Linux, x86-64 and ARM.",
    ),
    Row(
        "Power cut: unsynced writes and names missing, in part, or torn",
        "What was acknowledged is there; no file is damaged",
        (
            "faults/test_power.py::test_the_power_goes",
            "faults/test_power.py::test_the_replay_finds_a_lazy_outbox",
        ),
        "Simulated from recorded system calls. Nothing helps against a disk that claims to have synced and has not.",
    ),
    Row(
        "`kill -9` between an answer and writing it down",
        "Sent again; Greenflash skips it",
        (MODEL, SWEEP),
    ),
    Row(
        "Timeout after Greenflash has stored it",
        "Sent again under the same ids, with the same bytes",
        (NETWORK,),
    ),
    Row(
        "A request that arrives once more, late",
        "Nothing changes",
        (NETWORK, "faults/test_proxy.py::test_a_request_is_repeated_only_where_its_fate_is_unknown"),
    ),
    Row(
        "503 several times, then well",
        "Delivered, with growing waits that chance spreads",
        (
            "delivery/test_sender.py::test_a_failure_is_tried_again_with_the_same_bytes",
            "delivery/test_policy.py::test_backoff_doubles_up_to_a_minute",
        ),
    ),
    Row(
        "429 or 503 with `Retry-After`: seconds, date, wrong clock, zero, huge, garbage",
        "Never earlier, at most an hour; nothing else is sent meanwhile",
        (
            "delivery/test_policy.py::test_never_early",
            "delivery/test_policy.py::test_the_servers_word_is_a_minimum",
            "delivery/test_policy.py::test_a_wait_that_cannot_be_read_is_none",
            "delivery/test_sender.py::test_the_server_can_ask_for_silence",
        ),
    ),
    Row("500, 502, 504, 408, 409, 425", "Tried again until it goes through", (VERDICTS, SOAK)),
    Row(
        "413",
        "Halved until it fits; a single item is rejected with the reason",
        (
            "delivery/test_sender.py::test_a_request_that_is_too_large_is_halved",
            "delivery/test_sender.py::test_what_cannot_be_split_is_rejected",
        ),
    ),
    Row(
        "400 or 422 for one message of fifty",
        "The other 49 are delivered in order, the one is rejected",
        ("delivery/test_sender.py::test_one_bad_message_of_fifty_is_found",),
    ),
    Row(
        "400, 404 or 422 that Greenflash did not give: a page, nothing, another service's JSON",
        "Everything waits, the reason is said; delivered when the API answers",
        (
            VERDICTS,
            "delivery/test_policy.py::test_what_is_not_the_apis_word_pauses",
            "delivery/test_policy.py::test_a_page_that_says_ok_again_and_again_pauses",
        ),
    ),
    Row(
        "The same refusal for everything: a wrong product, a key of another account",
        "It is distinguished from refusals of single items; what was refused waits again",
        (
            "delivery/test_refusals.py::test_five_conversations_in_a_row_with_the_same_refusal",
            "delivery/test_refusals.py::test_while_it_pauses_a_probe_that_is_refused_alike_is_restored",
            "delivery/test_refusals.py::test_what_was_restored_and_is_refused_again_while_others_are_accepted",
        ),
    ),
    Row(
        "A refusal that quotes half an emoji, control characters, broken UTF-8, the API key",
        "Replaced; the reason can be stored and printed; the key is in no log",
        (
            VERDICTS,
            "delivery/test_policy.py::test_every_answer_has_a_bounded_verdict",
            "api/test_client.py::test_a_server_that_quotes_the_key",
        ),
    ),
    Row(
        "401 or 403, then a key that is right",
        "Everything waits, one probe at a time; nothing is lost",
        (
            "delivery/test_sender.py::test_a_refused_key_holds_everything",
            "delivery/test_sender.py::test_a_new_key_frees_everything",
            "test_runtime.py::test_a_refused_key_holds_everything",
        ),
    ),
    Row(
        "200 with a page, with half an answer, with `success: false`; redirects",
        "Not delivered; a redirect is never followed",
        (VERDICTS, "api/test_client.py::test_it_follows_no_redirect", MODEL),
    ),
    Row(
        "Connection reset before, during or after; stalled; cut; a few bytes at a time",
        "Delivered once, in bounded time",
        (NETWORK, "api/test_client.py::test_an_answer_that_trickles_is_cut_off"),
    ),
    Row(
        "A server that drips headers or body, says `102` again and again, or takes a request in crumbs",
        "An attempt ends after 10 s; the next one delivers",
        (
            "api/test_deadline.py::test_an_answer_that_never_begins",
            "api/test_deadline.py::test_an_answer_that_never_ends",
            "api/test_deadline.py::test_a_request_that_is_never_taken_whole",
        ),
        "With a client of yours, if its transport knows httpx's extension `trace`; httpx's own does.",
    ),
    Row(
        "A name that cannot be resolved, or not for long",
        "The application does not wait; `flush` keeps to its time",
        (
            "faults/test_silence.py::test_a_name_that_is_not_found_out",
            "api/test_deadline.py::test_a_resolver_that_hangs",
        ),
    ),
    Row(
        "A route that leads nowhere",
        "As above",
        (
            "faults/test_silence.py::test_a_route_that_leads_nowhere",
            "api/test_deadline.py::test_an_address_that_leads_nowhere_leaves_time_for_the_next",
        ),
        "A listener whose queue is full simulates it: a routing table takes root. No packet loss.",
    ),
    Row(
        "A process that is stopped and continues; connections closed meanwhile",
        "Nobody takes its file; delivered",
        ("faults/test_silence.py::test_a_process_that_stands_still", SOAK),
    ),
    Row(
        "Disk full",
        "Outcomes and messages are refused and counted; the gateway says 503; all goes on when there is room",
        (
            "delivery/test_outbox_disk.py::test_a_full_disk_loses_only_what_comes_then",
            "delivery/test_outbox_disk.py::test_a_full_disk_does_not_make_us_send_again",
            "delivery/test_outbox_disk.py::test_a_full_disk_leaves_a_refused_entry_for_later",
            "faults/test_disk.py::test_a_disk_that_refuses",
            "gateway/test_gateway.py::test_answers",
        ),
        "No file may grow, or the kernel answers ENOSPC: a small disk of its own takes root.",
    ),
    Row(
        "Errors of the disk while writing or syncing",
        "Not acknowledged, counted",
        ("faults/test_disk.py::test_a_disk_that_refuses",),
        "A tracer makes the kernel answer EIO; on Linux, x86-64 and ARM.",
    ),
    Row(
        "A folder that is read-only, in the way, or removed while in use",
        "Memory instead, or a new folder; what waited goes along",
        (
            "delivery/test_outbox_disk.py::test_a_folder_that_cannot_be_written_is_replaced_by_memory",
            "delivery/test_outbox_disk.py::test_a_folder_that_cannot_be_made_is_replaced_by_memory",
            "faults/test_disk.py::test_a_folder_that_is_removed",
            "faults/test_disk.py::test_a_folder_that_cannot_be_made_again",
        ),
        "What waits in a removed folder is on disk again with the next request, not before.",
    ),
    Row(
        "Flipped bits, holes, misplaced or missing pages, a header of zeros",
        "What can be read is delivered, the rest counted, the file renamed; never an exception",
        (
            "faults/test_damage.py::test_damage_anywhere",
            "faults/test_damage.py::test_a_bit_that_makes_text_unreadable",
            "delivery/test_outbox_disk.py::test_damage_is_survived_while_at_work",
            "faults/test_history.py::test_a_damaged_journal",
        ),
        "Of a journal that a killed process left, what comes after the damage is lost and not counted: "
        "SQLite takes it for the end.",
    ),
    Row(
        "A pre-forking server, forks under load",
        "Each item once; no file is shared or damaged",
        (
            "delivery/test_outbox_fork.py::test_forking_under_load",
            "delivery/test_outbox_fork.py::test_a_fork_in_c_that_only_tells_the_child",
            "delivery/test_delivery.py::test_parent_and_child_both_deliver",
        ),
        "With `os.fork`, as gunicorn and uWSGI do it; these themselves are no dependency of the tests.",
    ),
    Row(
        "`multiprocessing`, `os.fork` with `os._exit`",
        "The child delivers what it had captured, or the next process does",
        (
            "delivery/test_processes.py::test_what_was_captured_arrives",
            "delivery/test_outbox_fork.py::test_what_a_child_leaves_is_found",
            "delivery/test_outbox_fork.py::test_a_killed_child_is_found_too",
        ),
    ),
    Row(
        "Every way to end: return, `sys.exit`, exception, SIGINT, SIGTERM, while the server hangs",
        "Delivered or on disk; the end is not held up longer than `shutdown_timeout_s`",
        (
            "delivery/test_processes.py::test_what_was_captured_arrives",
            "faults/test_silence.py::test_an_end_while_the_server_hangs",
            "test_sigterm.py::test_wherever_it_comes",
            "test_sigterm.py::test_it_keeps_its_time",
        ),
    ),
    Row(
        "uvicorn, gunicorn, hypercorn, Celery are stopped; browser tabs are closed in the middle",
        "What ended is delivered or on disk; what is open is recorded as far as it came",
        (
            "servers/test_web_servers.py::test_what_ended_arrives",
            "servers/test_web_servers.py::test_what_is_broken_off_arrives",
            "servers/test_celery.py::test_nothing_is_lost",
            "test_sigterm.py::test_under_gevent",
        ),
        "Some servers need three lines: docs/servers.md. SIGKILL after their patience loses open streams.",
    ),
    Row(
        "asyncio: cancelled tasks, closed loops",
        "Nothing is lost: no loop, no task and no await of ours",
        (
            "instrumentation/openai/cases/test_leaving.py",
            "test_runtime.py::test_concurrent_conversations_do_not_mix",
        ),
        "uvloop is no dependency of the tests.",
    ),
    Row(
        "A span that ends in `__del__`, in a collection, in a signal handler, in 64 threads",
        "No deadlock, nothing lost",
        (
            "delivery/test_batcher.py::test_submitting_in_signal_handlers",
            "delivery/test_batcher.py::test_submitting_while_garbage_is_collected",
            "delivery/test_batcher.py::test_many_threads_submit",
        ),
    ),
    Row(
        "Queues full, in memory and on disk",
        "The newest are refused and counted; outcomes have a reserve; nobody waits",
        (
            "delivery/test_batcher.py::test_what_memory_has_no_room_for_is_spilled_and_comes_in_order",
            "delivery/test_batcher.py::test_what_has_room_nowhere_is_refused_and_counted",
            "delivery/test_outbox.py::test_a_full_outbox_refuses_the_newest_and_counts_it",
            "delivery/test_outbox.py::test_outcomes_have_a_reserve",
        ),
    ),
    Row(
        "Clocks that jump by days, back or forth",
        "Order and waits do not come from them",
        ("faults/test_history.py::test_a_clock_that_jumps",),
    ),
    Row(
        "Gateway: batches again, in other cuts, to several gateways; the gateway killed",
        "The same messages under the same ids",
        (
            "gateway/test_batches.py::test_however_it_is_cut",
            "gateway/test_gateway.py::test_a_gateway_that_is_killed",
            "conversations/test_laws.py::test_spans_delivered_twice",
        ),
        "The Collector itself is not at hand here; OpenTelemetry's Python exporter is what sends.",
    ),
    Row(
        "Gateway: bombs, cut-off bodies, unknown encodings, garbage",
        "A status that says so; bounded memory",
        (
            "gateway/test_encoding.py::test_a_bomb",
            "gateway/test_encoding.py::test_broken",
            "gateway/test_otlp.py::test_anything_as_protobuf",
            "gateway/test_otlp.py::test_anything_as_json",
        ),
    ),
    Row(
        "Two processes and one folder; a file taken over while its owner comes back",
        "A lock decides; each entry has one owner",
        (
            "delivery/test_adopt.py::test_two_that_look_at_once_share_what_they_find",
            "delivery/test_outbox_disk.py::test_a_file_that_has_an_owner_is_left_alone",
            "delivery/test_outbox_fork.py::test_a_file_stays_its_owners_during_a_fork",
        ),
        "Network file systems: their locks cannot be relied on; keep the outbox on a local disk.",
    ),
    Row(
        "Another version of this library, earlier or later",
        "Its files are left alone, byte for byte, and named in the log",
        (
            "faults/test_history.py::test_a_file_of_another_version",
            "delivery/test_outbox_disk.py::test_a_file_of_a_later_version_is_left_alone",
        ),
    ),
    *(Row(*attack) for attack in ATTACKS),
)


def table() -> str:
    """The matrix as Markdown."""
    lines = ["| | What goes wrong | What is promised | Shown by | Limits |", "|---:|---|---|---|---|"]
    for number, row in enumerate(ROWS, 1):
        links = "<br>".join(map(_link, row.tests))
        lines.append(f"| {number} | {row.fault} | {row.promise} | {links} | {row.limit} |")
    return "\n".join(lines)


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name or path.rpartition('/')[2]}](../tests/{path})"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_part(page, "matrix", table()), encoding="utf-8")
