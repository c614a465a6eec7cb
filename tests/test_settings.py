"""Settings: arguments before variables before defaults, and one clear sentence for what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.settings import SETTINGS, Settings
from tests.conftest import PRODUCT

GOOD: dict[str, tuple[str, object]] = {
    "api_key": ("gf_1", "gf_1"),
    "product_id": (PRODUCT, PRODUCT),
    "base_url": ("http://localhost/api/v1", "http://localhost/api/v1"),
    "frameworks": ("openai", ("openai",)),
    "export": ("none", "none"),
    "outbox": ("/somewhere", "/somewhere"),
    "capture_content": ("no", False),
    "redact": ("module:function", "module:function"),
    "history": ("full", "full"),
    "sample_rate": ("0.5", 0.5),
    "force_sample": ("true", True),
    "default_user_id": ("nobody", "nobody"),
    "strict": ("1", True),
    "shutdown_timeout_s": ("2.5", 2.5),
}
"""Text of the variable, and what it means, for every setting."""


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_variable_and_an_argument_that_wins(name: str) -> None:
    """The variable counts unless the argument is given."""
    text, meaning = GOOD[name]
    environment = {"GREENFLASH_PRODUCT_ID": PRODUCT, SETTINGS[name].variables[0]: text}
    assert getattr(Settings.read(environment), name) == meaning
    bad = {**environment, SETTINGS[name].variables[0]: "?"}
    assert getattr(Settings.read(bad, **{name: meaning}), name) == meaning


def test_the_address_has_two_names() -> None:
    """GREENFLASH_BASE_URL is asked first."""
    environment = {"GREENFLASH_PRODUCT_ID": PRODUCT, "GREENFLASH_API_URL": "http://second"}
    assert Settings.read(environment).base_url == "http://second"
    assert Settings.read({**environment, "GREENFLASH_BASE_URL": "http://first"}).base_url == "http://first"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"product_id": None}, "product_id is missing"),
        ({"product_id": "acme"}, "write the UUID"),
        ({"export": "everywhere"}, "write 'greenflash' or 'none'"),
        ({"history": "some"}, "write 'new' or 'full'"),
        ({"frameworks": ["django"]}, "frameworks is 'django'; write 'openai'"),
        ({"sample_rate": 7}, "write a number from 0 to 1"),
        ({"base_url": "greenflash.ai"}, "write e.g. 'https://"),
        ({"api_key": "gf 1"}, "copy it again"),
    ],
)
def test_what_is_wrong_is_one_clear_sentence(given: dict[str, Any], said: str) -> None:
    """It names the setting and what to write, and never shows a key."""
    with pytest.raises(ConfigurationError, match=said) as raised:
        Settings.read({}, **{"product_id": PRODUCT, **given})
    assert "gf 1" not in str(raised.value)


def test_the_key_is_never_shown() -> None:
    """Not in a repr, which ends in logs."""
    assert "gf_secret" not in repr(Settings.read({}, product_id=PRODUCT, api_key="gf_secret"))
