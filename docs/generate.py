"""Write the pages that follow from the code: settings, command line, and what the doctor checks.

``python docs/generate.py`` writes them; the tests fail where they are out of date.
"""

# ruff: noqa: E501 - rows of tables
from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from greenflash_otel.checkup.finding import CHECKS
from greenflash_otel.cli import make_parser
from greenflash_otel.settings import SETTINGS, default_of

DOCS = Path(__file__).parent
COMMAND_LINE = """# Command line

Made by `make docs`. `python -m greenflash_otel` is the same.

| Exit code | Meaning |
|---|---|
| 0 | Done. Ctrl+C of `emulator`, `gateway` and `tail` too: they run until then. |
| 1 | Not all was done, or a conversation that you named is not there. The command says what. |
| 2 | The command, a setting or a file is wrong, an extra is missing, or the outbox cannot be used. Nothing was done to what is wrong. |
| 130 | Interrupted. |
| 141 | Who reads the output has gone, as `head` does when it has its lines. Nothing is said. |

Settings come from [environment variables](settings.md). Options of a command win over them. Keys are no options, as everybody on the machine can read
those: `--api-key-file` names a file.

Lists show the newest first. Where a list is cut, a line on standard error says how to see the rest. An empty list is a sentence on standard error.

## Look at conversations

Three commands read the emulator, as [its page](viewer.md) does:

```console
$ greenflash-otel conversations --user ada     # what there is
$ greenflash-otel show chat-42                 # one, as its user saw it
$ greenflash-otel tail --has outcome,error     # what arrives, until Ctrl+C
```

- They read the address of `--url`. Without it they read `GREENFLASH_BASE_URL` if an emulator answers there, else `http://127.0.0.1:8765`.
  They do not read a Greenflash account.
- `show` takes the id of your application or Greenflash's. `show --last` shows what changed last. Where a conversation branches, a line names the
  `--branch` of the others.
- `tail` begins with what comes next. `--since 10m` begins ten minutes ago. If the emulator goes away, `tail` waits for it. Then it continues
  behind the last line, so nothing is missed or repeated, and it says so.
- Times are UTC. Control characters of content are shown as escapes, such as `\\x1b`.
- On a terminal, lines are cut at its width. In a pipe they are whole.

`greenflash-otel completion bash` prints the completion of your shell; `zsh` and `fish` work too:

```console
$ source <(greenflash-otel completion bash)
```

## JSON

With `--json`, standard output has JSON and nothing else: one object, or one object per line. Each names its schema. Fields may be added to a schema; its
number changes when one is removed or changes its meaning.

| Schema | Command | Fields |
|---|---|---|
| `outbox-status/1` | `outbox status` | `outbox`; `destinations`, each with `folder`, `base_url`, `product_id`, `pending`, `rejected`, `captured`, `files_of_processes`, `damaged_files`, `files_of_other_version`, `is_marked`; `nameless`, each with `folder`, `damaged_files` |
| `outbox-list/1` | `outbox list` | `destination`, `name`, `state` (`pending`, `rejected`), `reason`, `attempts`, `items`, `age_s`, `kind`, `path`, `conversation` |
| `outbox-purge/1` | `outbox purge` | `removed`: requests; `unread`: captured spans that are not converted yet |
| `outbox-entry/1` | `outbox show`, `outbox export` | as above and `body`; `show` has no `destination` |
| `settings/1` | `settings` | `settings`, each with `name`, `value`, `source` (an option, a variable or `default`), `default`, `variables`; `problems` |
| `doctor/1` | `doctor` | `ok`, `version`; `findings`, each with `id`, `state` (`ok`, `warn`, `fail`), `title`, `next_step`; [ids](doctor.md) |
| `conversation-list/1` | `conversations` | `id`, `external_id`, `user`, `organization`, `model`, `updated_at`, `asked`, `answered`, `messages`, `steps`, `error`, `outcomes`, `ratings` |
| `conversation/1` | `show` | `id`, `external_id`, `user`, `organization`, `product_id`, `model`, `created_at`, `updated_at`, `system_prompt`, `properties`, `url`, `branch_count`; `turns`, each with `number`, `id`, `at`, `user`, `steps`, `answers`, `system`, `failure`, `branches`; `outcomes`, `ratings`. Within a turn, `index` is the order |
| `request/1` | `show --raw`, `show --curl` | `number`, `at`, `method`, `path`, `status`, `about`, `body`, `curl` |
| `tail/1` | `tail` | `at`, `kind` (`user`, `answer`, `system`, `steps`, `outcome`, `rating`, `profile`, `rejected`, `sampled`), `conversation`, `conversation_id`, `user`, `cursor`, and what the kind has |
| `import/1` | `import` | `dry_run`, `exit`, `lost`; `files`, each with `file`, `format`, `conversations` or `spans`, `outcomes`, `problems`, `remarks`; `accepted`, `delivered`, `sampled_out`, `pending`, `rejected`, `repaired`; of a dry run `messages`, `conversations`, `outcomes`, `ratings`, `requests` |
| `error/1` | any, with exit code 1 or 2 | `error`, `exit`, `hint` where there is one |

`age_s` is the age of the newest thing in a request, in seconds. `attempts` is `null` for what waits: its attempts are not stored.
"""


def settings_page() -> str:
    """Every setting with its variables and default."""
    lines = [
        "# Settings",
        "",
        "Made by `make docs`. Each is an argument of `instrument()` and of `GreenflashSpanExporter`,",
        "which wins, and an environment variable. `tracer_provider` and `http_client` are only arguments.",
        "",
        "| Argument | Variable | Default | Meaning |",
        "|---|---|---|---|",
    ]
    for name, setting in SETTINGS.items():
        variables = ", then ".join(f"`{variable}`" for variable in setting.variables)
        default = "" if name == "outbox" else f"`{default_of(name)!r}`"
        lines.append(f"| `{name}` | {variables} | {default} | {setting.meaning} |")
    return "\n".join([*lines, ""])


def command_line_page() -> str:
    """The help of every command."""
    lines = [COMMAND_LINE.rstrip()]
    for title, page in _helps(make_parser()):
        lines += ["", f"## `{title}`", "", "```text", page.rstrip(), "```"]
    return "\n".join([*lines, ""])


def doctor_page() -> str:
    """Every check of the doctor."""
    lines = [
        "# Doctor",
        "",
        "Made by `make docs`. `greenflash-otel doctor` runs these checks, and names one next step for each fault. The ids stay",
        "the same, so that a program may read them from `--json`. The command does not know the arguments of `instrument()`.",
        "`print(greenflash.doctor())` in your application does: it checks what `instrument()` has set up there.",
        "Each id leads to what mends the fault.",
        "",
        "| Id | What a fault means |",
        "|---|---|",
        *(
            f"| [`{id}`](fix/findings.md#{id.replace('.', '')}) | {meaning} |"
            for id, meaning in CHECKS.items()
        ),
    ]
    return "\n".join([*lines, ""])


def _helps(command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    formatter: Any = command.formatter_class
    command.formatter_class = lambda prog: formatter(prog, width=100)
    yield command.prog, command.format_help()
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _helps(inner)


COVERAGE = """# Coverage

Made by `make docs` from `coverage.json`. It lists each field of each request of Greenflash's SDK and of its API's schema.
A column says how the field is set in one line ([`instrument()`](usage.md)), with [LangChain's handler](langchain.md), or through
[OTLP](collector.md). A dash means that it cannot be set there.

The proof of each cell is a run of everything that can be recorded. Afterwards the local Greenflash was sent the fields that this page says, and no other:
`tests/coverage/test_coverage.py::test_what_runs_set`, once per way in. `test_every_field_has_a_row` compares the rows with the SDK and with the schema.
"""
WAYS = {"one_line": "One line", "handler": "Handler", "otlp": "OTLP"}
PROOF = "tests/coverage/test_coverage.py::test_what_runs_set"


def coverage_page() -> str:
    """Every field of Greenflash's requests, with the test that proves how it is set."""
    page = json.loads((DOCS / "coverage.json").read_text(encoding="utf-8"))
    lines = [COVERAGE.rstrip()]
    for request, rows in page["requests"].items():
        lines += ["", f"## `{request}`", ""]
        lines += ["| Field | One line | Handler | OTLP | Proof, and why not |", "|---|---|---|---|---|"]
        lines += [f"| `{field}` | {' | '.join(_coverage_cells(row))} |" for field, row in rows.items()]
    lines += ["", "## Types of messages", "", "Each of the 18 is sent in a run of each way in.", ""]
    lines += ["| Type | What it is | Proof |", "|---|---|---|"]
    lines += [f"| `{type}` | {what} | `{PROOF}` |" for type, what in page["types"].items()]
    lines += ["", "## Requests that this library does not send", "", "| Type of the SDK | Why |", "|---|---|"]
    lines += [f"| `{name}` | {reason}. |" for name, reason in page["others"].items()]
    return "\n".join([*lines, ""])


def _coverage_cells(row: dict[str, str]) -> list[str]:
    if reason := row.get("reason"):
        return ["–", "–", "–", f"Not set. {reason}."]
    proofs = [f"`[{way}]`" for way in WAYS if way in row]
    note = [f"{row['note']}."] if "note" in row else []
    return [*(row.get(way, "–") for way in WAYS), " ".join([*proofs, *note])]


PAGES = {
    "settings.md": settings_page,
    "command-line.md": command_line_page,
    "doctor.md": doctor_page,
    "coverage.md": coverage_page,
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (DOCS / name).write_text(write(), encoding="utf-8")
