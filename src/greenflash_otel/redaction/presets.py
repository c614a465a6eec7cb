"""Find e-mail addresses, phone and card numbers, and keys of APIs, and hide them. Pure.

The kind of each match, in brackets, replaces it. Libraries that are maintained for this do the recognition
(phonenumbers, python-stdnum, detect-secrets); the extra ``redaction`` installs them. No recognition is complete:
a name or an address in words passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, TypeAlias, cast

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.redaction.redact import Apply, Redact

Found: TypeAlias = Iterator[tuple[int, int]]
"""Where in a text something is: from, to."""
Find: TypeAlias = Callable[[str], Found]

LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
EMAIL = re.compile(rf"(?<!{LOCAL}){LOCAL}{{1,64}}@{LABEL}(?:\.{LABEL})+")
"""Bounded, so that a long text without an address costs no more than its length."""
DIGITS = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){11,18}(?![\w-])")
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
TOKEN = re.compile(r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*")
"""A JSON web token."""
PREFIXED_KEY = re.compile(r"(?<![\w-])(?:sk|pk|rk|gf|xai|gsk)[-_][\w-]{16,}")
"""How keys of model providers, of Stripe and of Greenflash look."""

DETECTORS = (
    "artifactory.ArtifactoryDetector",
    "aws.AWSKeyDetector",
    "azure_storage_key.AzureStorageKeyDetector",
    "discord.DiscordBotTokenDetector",
    "github_token.GitHubTokenDetector",
    "gitlab_token.GitLabTokenDetector",
    "mailchimp.MailchimpDetector",
    "npm.NpmDetector",
    "openai.OpenAIDetector",
    "pypi_token.PypiTokenDetector",
    "sendgrid.SendGridDetector",
    "slack.SlackDetector",
    "square_oauth.SquareOAuthDetector",
    "stripe.StripeDetector",
    "telegram_token.TelegramBotTokenDetector",
    "twilio.TwilioKeyDetector",
)
"""Those of detect-secrets that look for the shape of a key, not for words next to it."""


def redactor(*names: str) -> Apply:
    """Return a redaction function for ``instrument(redact=…)`` that hides what the names say.

    Args:
        names: ``emails``; ``phones``, written with a country code, and ``phones/US`` also as they are written
            in that country; ``cards``; ``keys`` of APIs and private keys. Keys go first, phone numbers last.

    Raises:
        ConfigurationError: A name is not known, or the extra ``redaction`` is not installed.
    """
    finders: list[tuple[int, str, Find]] = []
    for name in names:
        kind, _, region = name.partition("/")
        if kind not in KINDS or (region and kind != "phones"):
            raise ConfigurationError(
                f"redact names {name!r}; write one of {', '.join(KINDS)}, or 'module:function'"
            )
        try:
            finders.append((list(KINDS).index(kind), f"[{kind[:-1]}]", KINDS[kind](region or None)))
        except ImportError:
            raise ConfigurationError(
                f"redact={name!r} needs what is not installed; run pip install 'greenflash-otel[redaction]'"
            ) from None
    finders.sort(key=lambda finder: finder[0])

    def redact(text: str, path: str) -> str:
        for _, mark, find in finders:
            text = _replace_all(text, mark, find)
        return text

    return redact


def _replace_all(text: str, mark: str, find: Find) -> str:
    texts, at = [], 0
    for start, end in sorted(find(text)):
        if start >= at:
            texts += [text[at:start], mark]
        at = max(at, end)
    return "".join([*texts, text[at:]]) if texts else text


def _make_email_finder(_: str | None) -> Find:
    return lambda text: (match.span() for match in EMAIL.finditer(text))


def _make_phone_finder(region: str | None) -> Find:
    library: Any = import_module("phonenumbers")
    if region is not None and region not in library.SUPPORTED_REGIONS:
        raise ConfigurationError(f"redact names 'phones/{region}'; write a country as in 'phones/US'")
    return lambda text: ((match.start, match.end) for match in library.PhoneNumberMatcher(text, region))


def _make_card_finder(_: str | None) -> Find:
    luhn: Any = import_module("stdnum.luhn")
    return lambda text: (
        match.span() for match in DIGITS.finditer(text) if luhn.is_valid(re.sub(r"[ -]", "", match.group()))
    )


def _make_key_finder(_: str | None) -> Find:
    detectors = [_import_detector(name) for name in DETECTORS]
    patterns = (
        PRIVATE_KEY,
        PREFIXED_KEY,
        TOKEN,
        *(pattern for detector in detectors for pattern in detector.denylist),
    )
    return lambda text: (match.span() for pattern in patterns for match in pattern.finditer(text))


def _import_detector(name: str) -> Any:  # detect-secrets has no types
    module, _, kind = name.partition(".")
    return getattr(import_module(f"detect_secrets.plugins.{module}"), kind)()


KINDS: Mapping[str, Callable[[str | None], Find]] = {
    "keys": _make_key_finder,
    "emails": _make_email_finder,
    "cards": _make_card_finder,
    "phones": _make_phone_finder,
}
"""What makes the search for a kind, in the order in which they are searched for."""


def find_redact(redact: Redact | str | None) -> Redact | None:
    """Return the redaction function itself; the setting may only name it, or presets."""
    if not isinstance(redact, str):
        return redact
    if ":" not in redact:
        return redactor(*(name.strip() for name in redact.split(",")))
    module, _, name = redact.partition(":")
    try:
        return cast(Redact, getattr(import_module(module), name))
    except (ImportError, AttributeError, ValueError):
        raise ConfigurationError(
            f"redact is {redact!r}, which cannot be imported; write 'module:function'"
        ) from None
