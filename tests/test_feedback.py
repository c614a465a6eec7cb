"""What `record_rating`, `identify_user` and `identify_organization` tell, from the call to Greenflash."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenflash
import pytest
from greenflash.types.organization_create_params import OrganizationCreateParams
from greenflash.types.rating_log_params import RatingLogParams
from greenflash.types.user_create_params import UserCreateParams
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import greenflash_otel
from greenflash_otel import internal_errors
from greenflash_otel.docs_links import PAGES
from greenflash_otel.testing import Emulator, FaultReply
from tests.api.wire import fields_of
from tests.chat import client_saying
from tests.conftest import PRODUCT
from tests.test_runtime import chat, start
from tests.ways_in import WAYS, Way

SECRET = "4111 1111 1111 1111"
USER = "1c90c3cc-0d44-4b50-8888-8dd25736052a"

Tell = Callable[..., object]
TELLING: dict[str, Tell] = {
    "record_rating": lambda **given: greenflash_otel.record_rating(5, conversation_id="c", **given),
    "identify_user": lambda **given: greenflash_otel.identify_user("ada", **given),
    "identify_organization": lambda **given: greenflash_otel.identify_organization("acme", **given),
}
"""Each function with arguments that are good, if the given ones are."""
BAD: dict[str, dict[str, Any]] = {
    "record_rating": {"rating_max": "ten"},
    "identify_user": {"email": "nowhere"},
    "identify_organization": {"name": 7},
}
each = pytest.mark.parametrize("function", TELLING)


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is warned of once per process is warned of in each test."""
    internal_errors.reset_for_tests()


def record_all() -> None:
    """Everything that is known of a conversation, with what has to be repaired."""
    with greenflash_otel.conversation("chat-42", user_id="ada", organization_id="acme"):
        greenflash_otel.record_message("user", "hello")
        greenflash_otel.record_rating(4, feedback="quick")
        greenflash_otel.record_rating(False, message_id="m1", rating_max="ten")  # type: ignore[arg-type]
        greenflash_otel.identify_user(name="Ada", email="ada@example.com", properties={"plan": "pro"})
        greenflash_otel.identify_organization(name="Acme", properties={"seats": 3})
    with greenflash_otel.conversation(user_id="bob"):
        greenflash_otel.record_message("user", "hi")
        greenflash_otel.record_rating(True)
        greenflash_otel.identify_user("eve", phone="1", anonymized=True, greenflash_organization_id=USER)


@WAYS
def test_all_of_it_in_every_mode(way: Way, greenflash_emulator: Emulator) -> None:
    """Whether the pipeline delivers it, or it travels as spans."""
    way(greenflash_emulator, record_all)
    stored = {one.external_id: one for one in greenflash_emulator.conversations()}
    named = stored.pop("chat-42")
    assert sorted((one.rating, one.feedback, one.message) for one in named.ratings if one.feedback) == [
        (4.0, "quick", None)
    ]
    assert [(one.rating, one.rating_max) for one in named.ratings if one.message == "m1"] == [(0.0, 1.0)]
    [inferred] = stored.values()
    assert [one.rating for one in inferred.ratings] == [1.0]
    users = {one.external_id: one for one in greenflash_emulator.users()}
    assert (users["ada"].name, users["ada"].email) == ("Ada", "ada@example.com")
    assert (users["ada"].external_organization_id, users["ada"].properties) == ("acme", {"plan": "pro"})
    assert (users["eve"].phone, users["eve"].anonymized) == ("1", True)
    [organization] = [one for one in greenflash_emulator.organizations() if one.external_id == "acme"]
    assert (organization.name, organization.properties) == ("Acme", {"seats": 3})
    [body] = [
        one.body
        for one in greenflash_emulator.requests()
        if one.path == "/users" and one.body.get("phone") == "1"
    ]
    assert (body["externalUserId"], body["organizationId"]) == ("eve", USER)


def test_an_exporter_of_ones_own_delivers_what_is_only_a_span(greenflash_emulator: Emulator) -> None:
    """With ``export="none"`` a span is made; our exporter in the provider makes a request of it, once."""
    exporter = greenflash_otel.GreenflashSpanExporter(
        api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url, outbox=":memory:"
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    greenflash_otel.instrument(tracer_provider=provider, export="none")
    greenflash_otel.record_rating(5, conversation_id="c")
    greenflash_otel.identify_user("ada", name="Ada")
    greenflash_otel.shutdown()
    assert exporter.force_flush(10_000)
    provider.shutdown()
    assert sorted(one.path for one in greenflash_emulator.requests()) == ["/ratings", "/users"]


def test_all_of_it_arrives_behind_the_messages(greenflash_emulator: Emulator) -> None:
    """Attached to the active conversation, its user and its organization."""
    pipeline = start(greenflash_emulator)
    with greenflash_otel.conversation("chat-42", user_id="ada", organization_id="acme"):
        chat(["one"], ["hello"])
        greenflash_otel.record_rating(4, feedback="quick")
        greenflash_otel.record_rating(False, message_id="m1")
        greenflash_otel.identify_user(name="Ada", email="ada@example.com", phone="1", anonymized=False)
        greenflash_otel.identify_organization(name="Acme", properties={"plan": "pro"})
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation("chat-42")
    assert [(r.rating, r.rating_min, r.rating_max, r.feedback, r.message) for r in stored.ratings] == [
        (4.0, 1.0, 5.0, "quick", None),
        (0.0, 0.0, 1.0, None, "m1"),
    ]
    [user] = greenflash_emulator.users()
    assert (user.name, user.email, user.phone, user.anonymized) == ("Ada", "ada@example.com", "1", False)
    assert user.external_organization_id == "acme"
    [organization] = greenflash_emulator.organizations()
    assert (organization.external_id, organization.name, organization.properties) == (
        "acme",
        "Acme",
        {"plan": "pro"},
    )
    paths = [request.path for request in greenflash_emulator.requests()]
    assert paths.index("/messages") < paths.index("/ratings")
    assert pipeline.stats().delivered == 6


def test_what_is_sent_is_what_the_official_sdk_sends(greenflash_emulator: Emulator) -> None:
    """The SDK, told the same, makes the same bodies but for the time; and it knows every field of ours."""
    pipeline = start(greenflash_emulator)
    properties: Any = {"plan": "pro"}
    greenflash_otel.record_rating(2, conversation_id="c", message_id="m", feedback="slow")
    greenflash_otel.identify_user("ada", name="Ada", organization_id="acme", properties=properties)
    greenflash_otel.identify_organization("acme", name="Acme", properties=properties)
    assert pipeline.flush(10)
    ours = {request.path: dict(request.body) for request in greenflash_emulator.requests()}
    assert ours["/ratings"].pop("ratedAt")
    with greenflash.Greenflash(
        api_key="gf_test", base_url=greenflash_emulator.base_url, max_retries=0
    ) as sdk:
        sdk.ratings.log(
            product_id=PRODUCT,
            rating=2,
            rating_min=1,
            rating_max=5,
            external_conversation_id="c",
            external_message_id="m",
            feedback="slow",
        )
        sdk.users.create(
            external_user_id="ada", name="Ada", external_organization_id="acme", properties=properties
        )
        sdk.organizations.create(external_organization_id="acme", name="Acme", properties=properties)
    theirs = {request.path: dict(request.body) for request in greenflash_emulator.requests()[3:]}
    assert ours == theirs
    params = {"/ratings": RatingLogParams, "/users": UserCreateParams}
    params["/organizations"] = OrganizationCreateParams
    assert all(set(body) <= fields_of(params[path]) for path, body in ours.items())


def test_the_last_word_on_a_user_wins_though_the_first_is_answered_late(
    greenflash_emulator: Emulator,
) -> None:
    """What is told of one user is sent in order, one at a time."""
    greenflash_emulator.faults.next(FaultReply(status=503), path="/users")
    pipeline = start(greenflash_emulator)
    for name in ("Ada", "Ada L.", "Countess"):
        greenflash_otel.identify_user("ada", name=name)
    assert pipeline.flush(20)
    assert [request.body["name"] for request in greenflash_emulator.requests()] == [
        "Ada",
        "Ada L.",
        "Countess",
    ]
    [user] = greenflash_emulator.users()
    assert user.name == "Countess"


@each
def test_it_is_on_disk_when_the_call_returns(
    function: str, greenflash_itself: Emulator, tmp_path: Path
) -> None:
    """Nobody flushes: the next process delivers it."""
    folder = tmp_path / "outbox"
    greenflash_itself.faults.next(FaultReply(status=503))
    start(greenflash_itself, outbox=folder)
    assert TELLING[function]() is not None
    assert greenflash_otel.stats().pending == 1
    greenflash_otel.shutdown(0)
    assert start(greenflash_itself, outbox=folder).flush(10)
    assert len(greenflash_itself.requests()) == 1


@each
def test_bad_arguments_are_repaired_and_told_once(
    function: str, greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of what was told arrives."""
    pipeline = start(greenflash_emulator)
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        for _ in range(2):
            assert TELLING[function](**BAD[function]) is not None
    [told] = [message for message in caplog.messages if message.startswith(f"{function}() repaired")]
    assert next(iter(BAD[function])) in told
    assert pipeline.flush(10)
    assert len(greenflash_emulator.requests()) == 2


@each
@pytest.mark.parametrize("where", ["call", "settings"])
def test_strict_raises_and_tells_nobody(function: str, where: str, greenflash_emulator: Emulator) -> None:
    """By the argument or by the setting; a call can also be less strict than the setting."""
    pipeline = start(greenflash_emulator, strict=where == "settings")
    given = BAD[function] | ({"strict": True} if where == "call" else {})
    with pytest.raises(greenflash_otel.InvalidFeedbackError, match=next(iter(BAD[function]))):
        TELLING[function](**given)
    assert pipeline.stats().accepted == 0
    assert TELLING[function](**BAD[function], strict=False) is not None
    assert pipeline.stats().accepted == 1


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        pytest.param(lambda: greenflash_otel.record_rating(5), "conversation_id", id="rating"),
        pytest.param(lambda: greenflash_otel.identify_user(name="Ada"), "user_id", id="user"),
        pytest.param(greenflash_otel.identify_organization, "organization_id", id="organization"),
    ],
)
def test_of_nothing_nothing_is_told(
    call: Callable[[], object],
    missing: str,
    greenflash_emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Outside a conversation and without an id; the log says what is missing."""
    pipeline = start(greenflash_emulator)
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        assert call() is None
    [told] = [message for message in caplog.messages if missing in message]
    assert "ignored the call" in told or "nothing to rate" in told
    assert pipeline.flush(10)
    assert list(greenflash_emulator.requests()) == []
    assert sum(internal_errors.get_counts().lost.values()) == 1


@each
def test_before_instrument_nobody_is_told(function: str, caplog: pytest.LogCaptureFixture) -> None:
    """It raises nothing, gives what would have been told, and says so once."""
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        assert TELLING[function]() is not None
        assert TELLING[function]() is not None
    assert caplog.messages == [
        f"{function}() was called before instrument(); it is only visible as a span [{PAGES['symptoms']}]"
    ]


@each
def test_where_only_spans_are_made_nobody_is_told(function: str) -> None:
    """With ``export="none"`` nothing is kept; what is bad is found out all the same."""
    pipeline = greenflash_otel.instrument(product_id=PRODUCT, export="none", outbox=":memory:", strict=True)
    assert TELLING[function]() is not None
    with pytest.raises(greenflash_otel.InvalidFeedbackError):
        TELLING[function](**BAD[function])
    assert pipeline.stats().accepted == 0


def test_texts_are_redacted_before_they_are_kept(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Feedback and properties; neither Greenflash nor the disk sees the original."""
    paths = []

    def redact(text: str, path: str) -> str:
        paths.append(path)
        return text.replace(SECRET, "[card]").replace("eve@example.com", "[email]")

    folder = tmp_path / "outbox"
    pipeline = start(greenflash_emulator, redact=redact, outbox=folder)
    greenflash_otel.record_rating(1, conversation_id="c", feedback=f"took {SECRET}")
    greenflash_otel.identify_user(
        "ada", name=SECRET, email="eve@example.com", phone=SECRET, properties={"card": SECRET}
    )
    greenflash_otel.identify_organization("acme", name=SECRET, properties={"deep": [{"card": SECRET}]})
    on_disk = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"[card]" in on_disk
    assert SECRET.encode() not in on_disk
    assert pipeline.flush(10)
    assert SECRET not in str(greenflash_emulator.requests())
    [user] = [request.body for request in greenflash_emulator.requests() if request.path.endswith("/users")]
    assert (user["name"], user["phone"]) == ("[card]", "[card]")
    assert "email" not in user, "what is no address any more would be refused, and the user with it"
    [rating] = greenflash_emulator.ratings()
    assert rating.feedback == "took [card]"
    assert sorted(paths) == [
        "organization.name",
        "organization.properties.*",
        "organization.properties.deep.*",
        "organization.properties.deep.card",
        "rating.feedback",
        "user.email",
        "user.name",
        "user.phone",
        "user.properties.*",
        "user.properties.card",
    ]


def test_a_redaction_that_fails_hides_the_text(greenflash_emulator: Emulator) -> None:
    """The rating itself arrives."""

    def redact(text: str, path: str) -> str:
        raise ValueError(text)

    pipeline = start(greenflash_emulator, redact=redact)
    greenflash_otel.record_rating(1, conversation_id="c", feedback=SECRET)
    assert pipeline.flush(10)
    [rating] = greenflash_emulator.ratings()
    assert (rating.rating, rating.feedback) == (1.0, "[redaction failed]")


def test_a_rating_that_is_refused_is_rejected(greenflash_emulator: Emulator) -> None:
    """What cannot be split is kept with the reason, and what follows goes on."""
    greenflash_emulator.faults.next(FaultReply(status=400, body=b'{"message":"no"}'), path="/ratings")
    pipeline = start(greenflash_emulator)
    greenflash_otel.record_rating(1, conversation_id="c")
    greenflash_otel.record_rating(2, conversation_id="c")
    pipeline.flush(10)  # True only if the first was refused before this call
    stats = pipeline.stats()
    assert (stats.accepted, stats.delivered, stats.rejected) == (2, 1, 1)
    assert [rating.rating for rating in greenflash_emulator.ratings()] == [2.0]


class TestWhatARatingBelongsTo:
    """It is found where an outcome finds it."""

    def test_a_block_without_an_id(self, greenflash_emulator: Emulator) -> None:
        """Also after the conversation was found out, and in the next process."""
        pipeline = start(greenflash_emulator)
        with greenflash_otel.conversation(user_id="ada"):
            chat(["one"], ["hello"])
            outcome = greenflash_otel.record_outcome("upgrade")
            rating = greenflash_otel.record_rating(5)
        assert rating is not None
        assert rating.conversation_id == outcome.conversation_id
        assert pipeline.flush(10)
        [conversation] = greenflash_emulator.conversations()
        assert [rating.rating for rating in conversation.ratings] == [5.0]

    def test_the_active_trace(self, greenflash_emulator: Emulator) -> None:
        """Where the application records spans of its own."""
        provider = TracerProvider()
        pipeline = start(greenflash_emulator, tracer_provider=provider)
        with provider.get_tracer("app").start_as_current_span("request"):
            chat(["one"], ["hello"])
            greenflash_otel.record_rating(5)
        assert pipeline.flush(10)
        [conversation] = greenflash_emulator.conversations()
        assert [rating.rating for rating in conversation.ratings] == [5.0]

    def test_an_answer_by_the_id_of_its_response(self, greenflash_emulator: Emulator) -> None:
        """That is the id which the application has of it."""
        pipeline = start(greenflash_emulator)
        client = client_saying(["one", "two"])
        with greenflash_otel.conversation("c"):
            ids = [
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}]).id
                for text in ("hello", "hello again")
            ]
        greenflash_otel.record_rating(True, message_id=ids[0])
        greenflash_otel.record_rating(False, conversation_id="c", message_id=ids[1])
        greenflash_otel.record_rating(False, conversation_id="other", message_id=ids[1])
        assert pipeline.flush(10)
        answers = [
            message.external_id
            for message in greenflash_emulator.conversation("c").messages
            if message.type == "assistant_message"
        ]
        rated = [
            (request.body["externalConversationId"], request.body["externalMessageId"])
            for request in greenflash_emulator.requests()
            if request.path == "/ratings"
        ]
        assert sorted(rated) == sorted([("c", answers[0]), ("c", answers[1]), ("other", ids[1])])

    def test_nothing(self, greenflash_emulator: Emulator) -> None:
        """An outcome is delivered without; a rating of nothing, which Greenflash refuses, is lost."""
        pipeline = start(greenflash_emulator)
        outcome = greenflash_otel.record_outcome("upgrade")
        assert greenflash_otel.record_rating(5) is None
        greenflash_otel.record_rating(5, message_id="m")
        assert pipeline.flush(10)
        bodies = {request.path: request.body for request in greenflash_emulator.requests()}
        assert outcome.conversation_id is None
        assert "externalUserId" not in bodies["/events"]  # nothing is booked on somebody who is nobody
        assert bodies["/ratings"]["externalMessageId"] == "m"
        assert internal_errors.get_counts().unlinked == 3
        assert dict(internal_errors.get_counts().lost) == {"rating_of_nothing": 1}
