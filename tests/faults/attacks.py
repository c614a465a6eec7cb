"""Rows of the fault matrix: attacks, on the gateway and from within the application."""

from __future__ import annotations

from typing import Final

ATTACKS: Final[tuple[tuple[str, str, tuple[str, ...], str], ...]] = (
    (
        "Gateway: slow senders, half heads, too many connections",
        "A deadline ends each; others are served, `/healthz` answers throughout",
        (
            "gateway/test_attacks.py::test_who_stops_in_the_middle",
            "gateway/test_attacks.py::test_who_stops_in_the_middle_over_grpc",
            "gateway/test_attacks.py::test_who_drips",
            "gateway/test_attacks.py::test_more_connections_than_there_may_be",
            "gateway/test_attacks.py::test_bodies_that_stall_give_way",
            "gateway/test_attacks.py::test_health_under_every_attack_at_once",
        ),
        "",
    ),
    (
        "Gateway: strangers without a token, over HTTP and gRPC",
        "Turned away before a byte of the body is read",
        (
            "gateway/test_attacks.py::test_a_stranger_costs_a_head",
            "gateway/test_attacks.py::test_strangers_over_grpc",
        ),
        "",
    ),
    (
        "Gateway: one sender that is greedy; a few bytes that unpack to many spans",
        "Counted before anything is built; others have their turns and their memory",
        (
            "gateway/test_attacks.py::test_bombs",
            "gateway/test_attacks.py::test_a_bomb_over_grpc",
            "gateway/test_attacks.py::test_one_sender_cannot_have_all_turns",
            "gateway/test_attacks.py::test_memory_is_shared",
        ),
        "",
    ),
    (
        "Gateway: no disk; a span that cannot be converted",
        "503 and not ready; counted and said in the answer",
        (
            "gateway/test_counts.py::test_nothing_is_acknowledged_without_a_disk",
            "gateway/test_counts.py::test_what_cannot_be_converted_is_said_and_counted",
        ),
        "",
    ),
    (
        "Many conversations, or calls of a megabyte, faster than they are sent",
        "What is remembered is bounded in bytes; what is pushed out is recalled from the disk",
        (
            "conversations/test_bounds.py::test_what_is_pushed_out_is_recalled",
            "conversations/test_bounds.py::test_calls_of_a_megabyte_are_not_all_remembered",
        ),
        "",
    ),
    (
        "Calls of a megabyte that come faster than they are converted, or than the disk writes",
        "They are spilled to the disk and delivered; memory is bounded; on a disk that is stuck they are counted",
        (
            "test_spill.py::test_calls_of_a_megabyte_come_faster_than_they_are_converted",
            "delivery/test_room.py::test_more_than_memory_holds_comes_at_once",
            "delivery/test_room.py::test_a_disk_that_is_stuck_is_waited_for_once",
        ),
        "A call with more than 256 KiB of text waits for room, for 2 s at most; any other never waits.",
    ),
    (
        "Values that are no JSON, ids that are no text, in any argument",
        "Repaired or dropped alone, counted; the message is kept",
        (
            "test_any_value.py::test_any_value_in_a_conversation",
            "test_any_value.py::test_any_value_as_an_argument",
            "test_any_value.py::test_an_id_is_the_same_text_everywhere",
        ),
        "",
    ),
    (
        "A redaction function that asks a model, fails, or meets keys",
        "One call for each text; hidden where it fails; keys are redacted too",
        (
            "redaction/test_isolation.py::test_what_redaction_asks_is_not_captured",
            "redaction/test_isolation.py::test_what_fails_hides_the_text",
            "redaction/test_redaction.py::test_the_path_of_a_key",
        ),
        "",
    ),
    (
        "Another account, another product, another test double with the same outbox",
        "Nothing of one is ever counted or sent by the other; a renewed key delivers what waited",
        (
            "safety/test_other_accounts.py::test_two_applications_with_the_same_outbox",
            "safety/test_other_accounts.py::test_what_waited_goes_out_with_a_renewed_key",
        ),
        "",
    ),
    (
        "Files of the application in the outbox folder; a relative folder; a backup that reads the outbox",
        "Left alone byte for byte; the folder stays where it was set; no other process takes the file",
        (
            "safety/test_other_files.py::test_a_database_of_the_application_is_left_alone",
            "safety/test_other_files.py::test_a_foreign_database_under_a_name_like_ours_is_left_alone",
            "safety/test_other_files.py::test_a_relative_folder_is_where_it_was_when_it_was_set",
            "safety/test_other_files.py::test_the_application_reads_its_own_outbox_file",
            "safety/test_other_files.py::test_two_threads_that_read_the_files_all_the_time",
        ),
        "",
    ),
    (
        "A `destination.json` that is damaged, empty or wrong",
        "Each file records its destination: only that one takes it over; `outbox status` shows it",
        (
            "delivery/test_damaged_mark.py::test_the_next_process_of_the_destination_delivers_what_waits",
            "delivery/test_damaged_mark.py::test_nobody_else_takes_it",
            "delivery/test_damaged_mark.py::test_the_command_line_shows_it_and_says_what_to_do",
        ),
        "",
    ),
    (
        "Public functions called inside each other: in signal handlers, `__del__`, log handlers, redaction, forks",
        "All come back, and what was recorded is on disk",
        (
            "safety/test_reentry.py::test_each_function_inside_each_other",
            "safety/test_reentry.py::test_ending_in_a_signal_handler",
            "safety/test_reentry.py::test_all_that_signal_handlers_record_is_on_disk",
        ),
        "",
    ),
    (
        "Outcomes recorded at exit; a redaction that is slow or hangs; control characters of strangers",
        "Stored for the next process; each function keeps its time; printed escaped",
        (
            "safety/test_ends.py::test_what_is_recorded_in_an_exit_function",
            "safety/test_ends.py::test_a_redaction_that_takes_its_time_holds_nobody_up",
            "safety/test_ends.py::test_what_strangers_wrote_is_printed_escaped",
        ),
        "",
    ),
)
