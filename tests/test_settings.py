"""Settings come from arguments, then from the environment, and a bad one is refused in one clear sentence."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.settings import MEMORY, SETTINGS, Settings, default_of

PRODUCT = "6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10"

# By setting: text in a variable and what it means, then another value as an argument.
EXAMPLES: dict[str, tuple[str, Any, Any]] = {
    "api_key": ("gf_key", "gf_key", "gf_other"),
    "product_id": (PRODUCT, PRODUCT, PRODUCT.upper()),
    "base_url": ("http://localhost:1/api/v1", "http://localhost:1/api/v1", "https://host/api/v1"),
    "frameworks": (" openai , ", ("openai",), ()),
    "export": ("none", "none", "greenflash"),
    "outbox": ("/var/outbox", "/var/outbox", MEMORY),
    "outbox_limit_bytes": ("2000000", 2_000_000, 1_000_000),
    "capture_content": ("off", False, True),
    "redact": ("module:function", "module:function", "module:other"),
    "history": ("full", "full", "new"),
    "sample_rate": ("0.25", 0.25, 0.0),
    "force_sample": ("1", True, False),
    "keep_on": ("error", ("error",), ("outcome",)),
    "id_key": ("a secret", "a secret", "another"),
    "langchain_chains": ("on", True, False),
    "baggage": ("on", True, False),
    "propagate_threads": ("on", True, False),
    "propagate_tasks": ("on", True, False),
    "default_user_id": ("nobody", "nobody", "somebody"),
    "print": ("yes", True, False),
    "environment": ("production", "production", "staging"),
    "release": ("1.2", "1.2", "1.3"),
    "metadata_keys": ("feature, tags", ("feature", "tags"), ("other",)),
    "strict": ("yes", True, False),
    "name_wait_s": ("2.5", 2.5, 0.0),
    "shutdown_timeout_s": ("2.5", 2.5, 0.0),
    "handle_sigterm": ("no", False, True),
    "enabled": ("no", False, True),
}


def test_the_table_is_whole() -> None:
    """Every field of `Settings` but what is found out is in the table of settings, and has an example."""
    assert (
        {field.name for field in fields(Settings)} - {"offline_reason", "keeps_all"}
        == set(SETTINGS)
        == set(EXAMPLES)
    )
    assert all(setting.variables and setting.meaning for setting in SETTINGS.values())


@pytest.mark.parametrize("name", SETTINGS)
def test_by_variable(name: str) -> None:
    """Every variable of a setting sets it, with white space around it too; an empty one does not."""
    text, expected, _ = EXAMPLES[name]
    for variable in SETTINGS[name].variables:
        environment = {"GREENFLASH_PRODUCT_ID": PRODUCT, variable: f" {text} "}
        assert getattr(Settings.read(environment), name) == expected
        unset = Settings.read({"GREENFLASH_PRODUCT_ID": PRODUCT, "GREENFLASH_EXPORT": "none", variable: " "})
        if name not in ("product_id", "export"):
            assert getattr(unset, name) == default_of(name)


@pytest.mark.parametrize("name", SETTINGS)
def test_by_argument(name: str) -> None:
    """An argument counts before its variable, also where it is 0 or False; None is not given."""
    text, expected, argument = EXAMPLES[name]
    environment = {"GREENFLASH_PRODUCT_ID": PRODUCT, SETTINGS[name].variables[0]: text}
    assert getattr(Settings.read(environment, **{name: argument}), name) == argument
    assert getattr(Settings.read(environment, **{name: None}), name) == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GREENFLASH_BASE_URL": "http://a", "GREENFLASH_API_URL": "http://b"}, "http://a"),
        ({"GREENFLASH_BASE_URL": "", "GREENFLASH_API_URL": "http://b"}, "http://b"),
        ({}, "https://www.greenflash.ai/api/v1"),
    ],
)
def test_the_order_of_variables(environment: dict[str, str], expected: str) -> None:
    """The name of the Greenflash SDK counts before the older one."""
    assert Settings.read(environment, product_id=PRODUCT).base_url == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_STATE_HOME": "/s", "LOCALAPPDATA": "/l", "HOME": "/h"}, "/s/greenflash-otel/outbox"),
        ({"LOCALAPPDATA": "/l", "HOME": "/h"}, "/l/greenflash-otel/outbox"),
        ({"HOME": "/h"}, "/h/.local/state/greenflash-otel/outbox"),
        ({}, MEMORY),
        ({"GREENFLASH_OUTBOX": "/o", "HOME": "/h"}, "/o"),
    ],
)
def test_where_the_outbox_is(environment: dict[str, str], expected: str) -> None:
    """The outbox lies in the user's state folder; without a home it is kept in memory."""
    assert Settings.read(environment, product_id=PRODUCT).outbox == expected


@pytest.mark.parametrize(
    ("environment", "given", "wanted"),
    [
        pytest.param(
            {}, {"product_id": None, "api_key": "gf_test"}, "GREENFLASH_PRODUCT_ID", id="no product"
        ),
        pytest.param({}, {"product_id": "shop"}, "write the UUID", id="a product that is no UUID"),
        pytest.param({}, {"product_id": 7}, "write the UUID", id="a product that is no text"),
        pytest.param({}, {"product_id": "x", "export": "none"}, "write the UUID", id="not even unused"),
        pytest.param({}, {"api_key": "gf key"}, "copy it again", id="a key with a space"),
        pytest.param({}, {"api_key": "gf_kéy"}, "copy it again", id="a key that no header takes"),
        pytest.param({}, {"export": "jaeger"}, "'greenflash' or 'otlp'", id="export"),
        pytest.param({}, {"redact": "emails", "export": "otlp"}, "the gateway's settings", id="redact"),
        pytest.param({}, {"history": "all"}, "'new' or 'full'", id="history"),
        pytest.param({}, {"frameworks": "openai,llama"}, "'openai'", id="frameworks as text"),
        pytest.param({}, {"frameworks": ["llama"]}, "'openai'", id="frameworks as a list"),
        pytest.param({}, {"sample_rate": 1.5}, "from 0 to 1", id="sample rate too high"),
        pytest.param({}, {"sample_rate": float("nan")}, "from 0 to 1", id="sample rate is no number"),
        pytest.param({}, {"base_url": "localhost"}, "'https://host/api/v1'", id="an address without scheme"),
        pytest.param({}, {"default_user_id": ""}, "'anonymous'", id="a user without a name"),
        pytest.param({"GREENFLASH_STRICT": "maybe"}, {}, "true or false", id="a flag"),
        pytest.param({"GREENFLASH_SAMPLE_RATE": "half"}, {}, "from 0 to 1", id="a rate in words"),
        pytest.param({"GREENFLASH_SHUTDOWN_TIMEOUT": "5s"}, {}, "number of seconds", id="a time with unit"),
    ],
)
def test_bad_settings(environment: dict[str, str], given: dict[str, Any], wanted: str) -> None:
    """What is wrong and what to write instead stand in one line, with the name that was used."""
    with pytest.raises(ConfigurationError) as error:
        Settings.read(environment, **{"product_id": PRODUCT, **given})
    sentence = str(error.value)
    assert "\n" not in sentence
    assert re.search(r"write |pass |copy it again", sentence)
    assert wanted in sentence
    assert next(iter(environment), None) or next(iter(given)) in sentence
    assert all(variable in sentence for variable in environment)


def test_the_key_is_never_shown() -> None:
    """Neither the settings nor a complaint about the key show it."""
    assert "gf_secret" not in repr(Settings(PRODUCT, "gf_secret"))
    with pytest.raises(ConfigurationError) as error:
        Settings(PRODUCT, "gf_secret key")
    assert "gf_secret" not in str(error.value)


def test_no_product_is_needed_to_make_spans_only() -> None:
    """Whoever sends elsewhere has no product."""
    assert Settings(export="none").product_id is None


def test_every_default_is_known() -> None:
    """The documentation can name every default; there is none of an unknown setting."""
    assert {name: default_of(name) for name in ("strict", "outbox")} == {"strict": False, "outbox": MEMORY}
    with pytest.raises(KeyError):
        default_of("no such setting")
