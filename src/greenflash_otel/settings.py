"""What can be set, with every default, unit and environment variable. Pure: reads a mapping.

`SETTINGS` is the one table: `Settings.read` follows it, and the page ``docs/settings.md`` is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.setting_parsers import (
    read_bytes,
    read_content,
    read_flag,
    read_names,
    read_rate,
    read_seconds,
    read_text,
)

Export: TypeAlias = Literal["greenflash", "otlp", "none"]
History: TypeAlias = Literal["new", "full"]

FRAMEWORKS = ("openai", "langchain")
"""What `instrument()` can instrument."""

KEEP_ON = ("outcome", "error")
"""What can make a conversation one to keep."""

NAME_WAIT_S = 10.0
MOST_NAME_WAIT_S = 86_400.0

DEFAULT_BASE_URL = "https://www.greenflash.ai/api/v1"
MEMORY = ":memory:"
NO_PRODUCT = "00000000-0000-0000-0000-000000000000"
"""Takes the place of a product that is not set, so that the other settings can be read."""
SECRETS = ("api_key", "id_key")
"""Settings that nobody may see: never quoted, and never an argument of a command."""
ALLOW_IN_TESTS = "GREENFLASH_ALLOW_IN_TESTS"
"""The variable that lets a run of pytest contact the default address. No setting: nobody sets it for good."""
UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a setting comes from besides the argument of the same name, and what it is for."""

    variables: tuple[str, ...]
    """Environment variables, asked in this order. An empty value counts as not set."""
    parse: Callable[[str], object]
    """Makes the value from text; raises ValueError with what it wanted instead."""
    meaning: str


SETTINGS: Mapping[str, Setting] = {
    "enabled": Setting(
        ("GREENFLASH_ENABLED",),
        read_flag,
        "Off: nothing is instrumented, captured or delivered, and all functions may still be called.",
    ),
    "api_key": Setting(
        ("GREENFLASH_API_KEY",),
        read_text,
        "Your Greenflash API key. Without one, what is captured waits in the outbox.",
    ),
    "product_id": Setting(
        ("GREENFLASH_PRODUCT_ID",),
        read_text,
        "UUID of the Greenflash product the conversations belong to. Required with an API key. With neither of them, "
        "everything is off.",
    ),
    "base_url": Setting(
        ("GREENFLASH_BASE_URL", "GREENFLASH_API_URL"),
        read_text,
        "Where the API is, up to and including `/api/v1`.",
    ),
    "frameworks": Setting(
        ("GREENFLASH_FRAMEWORKS",),
        read_names,
        "What to instrument, separated by commas; only what is installed.",
    ),
    "export": Setting(
        ("GREENFLASH_EXPORT",),
        read_text,
        "`greenflash` delivers conversations; `otlp` sends spans to an OpenTelemetry Collector, as its "
        "`OTEL_EXPORTER_OTLP_*` say; `none` only makes spans, for a tracer provider of yours.",
    ),
    "outbox": Setting(
        ("GREENFLASH_OUTBOX",),
        read_text,
        "Folder in which captured data waits until Greenflash has it, or `:memory:`. "
        "By default `greenflash-otel/outbox` in the user's state folder (`XDG_STATE_HOME`).",
    ),
    "outbox_limit_bytes": Setting(
        ("GREENFLASH_OUTBOX_LIMIT_BYTES",),
        read_bytes,
        "How much the outbox may contain, in bytes. Beyond that, the newest is refused and counted.",
    ),
    "capture_content": Setting(
        ("GREENFLASH_CAPTURE_CONTENT", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
        read_content,
        "Off: no text, no tool argument and no exception message leaves the application. `SPAN_ONLY` and "
        "`SPAN_AND_EVENT` are on; `NO_CONTENT` and `EVENT_ONLY` are off: content is put on spans only.",
    ),
    "redact": Setting(
        ("GREENFLASH_REDACT",),
        read_text,
        "A function `(text, path) -> text`, also `async`, applied to all content before it is stored; as "
        "text `module:function`, or names of presets such as `emails,phones/US,cards,keys` (extra "
        "`redaction`). [What it covers](redaction.md).",
    ),
    "history": Setting(
        ("GREENFLASH_HISTORY",),
        read_text,
        "`new`: a span carries only the messages that are new; `full`: the whole input. By default `new` in "
        "a pipeline of its own and `full` with a tracer provider of yours, which others may read too.",
    ),
    "sample_rate": Setting(
        ("GREENFLASH_SAMPLE_RATE",),
        read_rate,
        "Share of conversations that are retained, 0 to 1: whole ones, by their ids, the same in every process.",
    ),
    "keep_on": Setting(
        ("GREENFLASH_KEEP_ON",),
        read_names,
        "What makes a conversation one to keep whatever the sample rate says: `outcome` (a rating too), "
        "`error`.",
    ),
    "force_sample": Setting(
        ("GREENFLASH_FORCE_SAMPLE",), read_flag, "Keep everything whatever the sample rate says."
    ),
    "id_key": Setting(
        ("GREENFLASH_ID_KEY",),
        read_text,
        "A secret that message ids are hashed with, so that nobody can see from an id what was said. "
        "The same in every process; changing it makes known messages new.",
    ),
    "langchain_chains": Setting(
        ("GREENFLASH_LANGCHAIN_CHAINS",),
        read_flag,
        "Record LangChain's chains, the nodes of a graph and the graphs within it too, as steps nobody sees.",
    ),
    "baggage": Setting(
        ("GREENFLASH_BAGGAGE",),
        read_flag,
        "Send the id of the active conversation to other services as W3C baggage, and let outcomes and "
        "ratings recorded there belong to it. The service that is called sees the id. A service that calls "
        "can name one.",
    ),
    "propagate_threads": Setting(
        ("GREENFLASH_PROPAGATE_THREADS",),
        read_flag,
        "Threads, and what thread pools run, belong to the conversation that started them. "
        "[What it covers](how-to/threads-and-async.md#without-wrapping-anything).",
    ),
    "propagate_tasks": Setting(
        ("GREENFLASH_PROPAGATE_TASKS",),
        read_flag,
        "Tasks of Celery, RQ and arq belong to the conversation that enqueued them. Their messages contain the ids of "
        "conversation, user and organization. [What it covers](how-to/queues.md).",
    ),
    "default_user_id": Setting(
        ("GREENFLASH_DEFAULT_USER_ID",), read_text, "User of conversations whose user nobody named."
    ),
    "environment": Setting(
        ("GREENFLASH_ENVIRONMENT",),
        read_text,
        "Where this runs, such as `production`: a property of every conversation, message and outcome. By default "
        "`deployment.environment.name` of the resource, if it has that.",
    ),
    "release": Setting(
        ("GREENFLASH_RELEASE",),
        read_text,
        "Which version of your application this is: a property of the same. By default `service.version` of the "
        "resource, if it has that.",
    ),
    "metadata_keys": Setting(
        ("GREENFLASH_METADATA_KEYS",),
        read_names,
        "Names, separated by commas, of what LangChain's and OpenAI's `metadata` may say of messages: it becomes "
        "properties of the messages of that call. `tags` means LangChain's tags. Nothing else of it is read.",
    ),
    "print": Setting(
        ("GREENFLASH_PRINT",),
        read_flag,
        "Print what is captured to the standard error, a line for each message and each outcome, as it will be sent.",
    ),
    "strict": Setting(
        ("GREENFLASH_STRICT",),
        read_flag,
        "Bad arguments of `conversation()`, `record_outcome()` and others raise instead of being repaired.",
    ),
    "name_wait_s": Setting(
        ("GREENFLASH_NAME_WAIT",),
        read_seconds,
        "How long, in seconds, a call of another instrumentation waits on disk for an outer span that may "
        "name its conversation or user, or for the turn before it. 0: nothing waits. "
        "[Names that arrive late](conventions.md#names-that-arrive-late).",
    ),
    "shutdown_timeout_s": Setting(
        ("GREENFLASH_SHUTDOWN_TIMEOUT",),
        read_seconds,
        "How long, in seconds, the end of the process may wait for delivery. The outbox keeps what is left.",
    ),
    "handle_sigterm": Setting(
        ("GREENFLASH_HANDLE_SIGTERM",),
        read_flag,
        "On SIGTERM, end as at any other end of the process, then die of the signal as without this library. "
        "Only where nobody else has set a handler; see [servers](servers.md).",
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. `SETTINGS` says what each field means and which variable sets it."""

    product_id: str | None = None
    api_key: str | None = field(default=None, repr=False)
    base_url: str = DEFAULT_BASE_URL
    frameworks: tuple[str, ...] = FRAMEWORKS
    export: Export = "greenflash"
    outbox: str = MEMORY
    outbox_limit_bytes: int = 1024 * 1024 * 1024
    capture_content: bool = True
    redact: Redact | str | None = None
    history: History | None = None
    sample_rate: float | None = None
    keep_on: tuple[str, ...] = KEEP_ON
    force_sample: bool | None = None
    id_key: str | None = field(default=None, repr=False)
    langchain_chains: bool = False
    baggage: bool = False
    propagate_threads: bool = False
    propagate_tasks: bool = False
    default_user_id: str = "anonymous"
    environment: str | None = None
    release: str | None = None
    metadata_keys: tuple[str, ...] = ()
    print: bool = False
    strict: bool = False
    name_wait_s: float = NAME_WAIT_S
    shutdown_timeout_s: float = 5.0
    handle_sigterm: bool = True
    enabled: bool = True
    offline_reason: str | None = None
    """Why nothing is sent although there may be an API key. Not a setting: `read` finds it out."""
    keeps_all: bool = False
    """Whether nothing is sampled, whatever rates conversations have. Not a setting: a test that captures wants it."""

    def __post_init__(self) -> None:
        _check_product(self.product_id, required=self.export == "greenflash" and self.off_reason is None)
        if self.api_key is not None and not re.fullmatch(r"[!-~]+", self.api_key):
            raise ConfigurationError("api_key has a space or a character outside ASCII; copy it again")
        _check_choice("export", self.export, ("greenflash", "otlp", "none"))
        _check_choice("history", self.history, ("new", "full", None))
        for name in self.frameworks:
            _check_choice("frameworks", name, FRAMEWORKS)
        for name in self.keep_on:
            _check_choice("keep_on", name, KEEP_ON)
        if self.export == "otlp" and self.redact is not None:
            raise ConfigurationError(
                "redact does nothing with export='otlp'; write it into the gateway's settings, as "
                "GREENFLASH_REDACT, or write capture_content=False here"
            )
        if self.sample_rate is not None and not 0 <= self.sample_rate <= 1:
            raise ConfigurationError(f"sample_rate is {self.sample_rate}; write a number from 0 to 1")
        if self.outbox_limit_bytes < 1_000_000:
            raise ConfigurationError(
                f"outbox_limit_bytes is {self.outbox_limit_bytes}; write at least 1000000"
            )
        if not 0 <= self.name_wait_s <= MOST_NAME_WAIT_S:
            raise ConfigurationError(
                f"name_wait_s is {self.name_wait_s}; write a number of seconds from 0 to {MOST_NAME_WAIT_S:g}"
            )
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"base_url is {self.base_url!r}; write e.g. 'https://host/api/v1'")
        if not self.default_user_id:
            raise ConfigurationError("default_user_id is empty; write e.g. 'anonymous'")

    @property
    def off_reason(self) -> str | None:
        """Why nothing is captured; None if something is."""
        if not self.enabled:
            return "GREENFLASH_ENABLED is false"
        if self.export == "greenflash" and self.product_id is None and self.api_key is None:
            return "neither GREENFLASH_API_KEY nor GREENFLASH_PRODUCT_ID is set"
        return None

    @classmethod
    def read(cls, environment: Mapping[str, str], /, **arguments: Any) -> Settings:
        """Combine arguments, which win, with the environment.

        Args:
            environment: Usually ``os.environ``.
            **arguments: Values by field name; None leaves the setting to the environment.

        Raises:
            ConfigurationError: A setting is missing or malformed; the message says what to write.
        """
        in_tests = bool(environment.get("PYTEST_VERSION") or environment.get("PYTEST_CURRENT_TEST"))
        values: dict[str, Any] = {"outbox": MEMORY if in_tests else _choose_outbox(environment)}
        for name, setting in SETTINGS.items():
            if arguments.get(name) is not None:
                values[name] = arguments[name]
            elif (found := _read_environment(setting, environment)) is not None:
                values[name] = found
        for name in ("frameworks", "keep_on", "metadata_keys"):
            if (names := values.get(name)) is not None:
                values[name] = read_names(names) if isinstance(names, str) else tuple(names)
        if in_tests and "base_url" not in values and environment.get(ALLOW_IN_TESTS) != "1":
            values["offline_reason"] = (
                f"pytest runs, and base_url is not set: tests contact no default address unless {ALLOW_IN_TESTS}=1"
            )
        return cls(**{**values, "outbox": _make_absolute(str(values["outbox"]))})


def _read_environment(setting: Setting, environment: Mapping[str, str]) -> object:
    for variable in setting.variables:
        if text := environment.get(variable, "").strip():
            try:
                return setting.parse(text)
            except ValueError as wanted:
                raise ConfigurationError(f"{variable} is {text!r}; write {wanted}") from None
    return None


def _make_absolute(outbox: str) -> str:
    """Return where a folder is now: the application may change its directory later."""
    return outbox if outbox == MEMORY else str(Path(outbox).expanduser().absolute())


def _choose_outbox(environment: Mapping[str, str]) -> str:
    if state := environment.get("XDG_STATE_HOME") or environment.get("LOCALAPPDATA"):
        return str(Path(state) / "greenflash-otel" / "outbox")
    if home := environment.get("HOME"):
        return str(Path(home) / ".local" / "state" / "greenflash-otel" / "outbox")
    return MEMORY


def _check_product(product_id: str | None, *, required: bool) -> None:
    if product_id is None:
        if required:
            raise ConfigurationError(
                "product_id is missing; pass instrument(product_id=…) or set GREENFLASH_PRODUCT_ID "
                "to the UUID your product has in Greenflash"
            )
        return
    if not isinstance(product_id, str) or not UUID.fullmatch(product_id):
        raise ConfigurationError(
            f"product_id is {product_id!r}; write the UUID your product has in Greenflash"
        )


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        allowed = " or ".join(repr(choice) for choice in choices if choice is not None)
        raise ConfigurationError(f"{name} is {value!r}; write {allowed}")


def default_of(name: str) -> object:
    """Return the default of a setting, for the documentation; ``outbox`` depends on the environment."""
    for setting in fields(Settings):
        if setting.name == name:
            return None if setting.default is MISSING else setting.default
    raise KeyError(name)


IDLE = Settings(product_id=NO_PRODUCT, api_key="none", outbox=MEMORY, export="none")
"""Of the pipeline that is there where none is wanted: nothing is ever put into it."""
