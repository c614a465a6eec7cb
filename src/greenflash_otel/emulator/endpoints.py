"""The routes of the emulator as a table of plain functions: a call in, a reply out, the store between.

Statuses: 201 for a POST that was carried out, 204 for one that was sampled out. No source names the
success code of these calls; Greenflash's own guides say 201 of creating calls in general.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

from greenflash_otel.emulator import sampling, views
from greenflash_otel.emulator.contract import (
    EventRequest,
    MessagesRequest,
    OrganizationRequest,
    OrganizationUpdate,
    RatingRequest,
    UserRequest,
    UserUpdate,
    read,
)
from greenflash_otel.emulator.paging import link_header, list_links, read_page
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.request_lines import (
    SAMPLED_OUT,
    describe_event,
    describe_messages,
    describe_messages_briefly,
    describe_rating,
)
from greenflash_otel.emulator.store import Store, reading, writing
from greenflash_otel.emulator.store.database import Change
from greenflash_otel.emulator.store.writing import Arrival
from greenflash_otel.emulator.stored import StoredConversation

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)

API = "/api/v1"
OWN = "/emulator"
READING_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods of requests that change nothing."""
OWN_LISTS = ("conversations", "outcomes", "ratings", "users", "organizations", "requests")
"""The pages for people, below `OWN`."""
MAX_BODY_BYTES = 4_500_000
"""Where the platform that Greenflash probably runs on stops; Greenflash itself documents no bound."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was read and authorised."""

    url: str
    """Without the query."""
    path_id: str
    """What the last segment names, on routes that end in an id."""
    query: Mapping[str, str]
    arrival: Arrival

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return self.arrival.body


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``body`` None means that there is none."""

    status: int
    body: Any  # JSON of any shape
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = Callable[[Store, Call], Reply]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route; ``{id}`` at its end matches everything that follows in the path."""

    method: str
    path: str
    handle: Handler


def post_messages(store: Store, call: Call) -> Reply:
    """Create or extend a conversation."""
    request = read(MessagesRequest, call.body)
    sampled = _is_sampled(store, request)
    with store.change() as change:
        if not sampled:
            writing.note(change, call.arrival, 204, SAMPLED_OUT)
            return Reply(204, None)
        receipt = writing.add_messages(change, request)
        writing.note(
            change,
            call.arrival,
            201,
            describe_messages(request, receipt),
            receipt.conversation_id,
            news=receipt.created_ids,
            brief=describe_messages_briefly(request, receipt),
        )
    return Reply(201, views.write_messages_answer(receipt, request.system_prompt))


def post_event(store: Store, call: Call) -> Reply:
    """Keep a Greenflash event; its conversation may be unknown as yet."""
    request = read(EventRequest, call.body)
    sampled = sampling.is_sampled(
        sampling.key_of_event(request), request.sample_rate, forced=request.force_sample
    )
    with store.change() as change:
        if not sampled:
            writing.note(change, call.arrival, 204, SAMPLED_OUT)
            return Reply(204, None)
        receipt = writing.add_event(change, request)
        conversation_id = writing.find_conversation_id(change, request)
        news = [receipt.id] if receipt.created else []
        writing.note(change, call.arrival, 201, describe_event(request), conversation_id, news=news)
    return Reply(201, {"success": True, "eventId": receipt.id})


def post_rating(store: Store, call: Call) -> Reply:
    """Keep a rating; what it rates may be unknown as yet."""
    request = read(RatingRequest, call.body)
    with store.change() as change:
        news = [writing.add_rating(change, request)]
        conversation_id = writing.find_conversation_id(change, request)
        writing.note(change, call.arrival, 201, describe_rating(request), conversation_id, news=news)
    return Reply(201, {"success": True})


def post_user(store: Store, call: Call) -> Reply:
    """Create or update a user."""
    request = read(UserRequest, call.body)
    return _save_user(store, call, request.external_user_id, request, must_exist=False)


def put_user(store: Store, call: Call) -> Reply:
    """Update a user; the path names the caller's id."""
    return _save_user(store, call, call.path_id, read(UserUpdate, call.body), must_exist=True)


def post_organization(store: Store, call: Call) -> Reply:
    """Create or update an organization."""
    request = read(OrganizationRequest, call.body)
    return _save_organization(store, call, request.external_organization_id, request, must_exist=False)


def put_organization(store: Store, call: Call) -> Reply:
    """Update an organization; the path names the caller's id."""
    return _save_organization(store, call, call.path_id, read(OrganizationUpdate, call.body), must_exist=True)


def get_interactions(store: Store, call: Call) -> Reply:
    """Return a page of conversations, as the API shows them."""
    return _list_page(call, _fetch_conversations(store, call), views.write_interaction)


def get_interaction(store: Store, call: Call) -> Reply:
    """Return one conversation by Greenflash's id, as the API shows it."""
    conversation = reading.read_conversation(store, call.path_id)
    if conversation is None:
        raise Refused(
            404, f"No interaction has the id {call.path_id!r}; name Greenflash's id, not the external one"
        )
    (user,) = reading.read_users(store, external_id=conversation.external_user_id)
    return Reply(200, views.write_interaction_detail(conversation, user))


def get_products(store: Store, call: Call) -> Reply:
    """Return a page of the products that requests have named."""
    size_name = "limit" if "limit" in call.query else "pageSize"
    return _list_page(
        call,
        partial(reading.read_products, store),
        lambda row: views.write_product(*row),
        size_name=size_name,
    )


def get_conversations(store: Store, call: Call) -> Reply:
    """Return a page of conversations with everything that is stored of them, what changed last first."""
    fetch = partial(_fetch_conversations(store, call), newest_first=True)
    return _list_own_page("conversations", call, fetch)


def get_outcomes(store: Store, call: Call) -> Reply:
    """Return a page of outcomes, the newest first, also those whose conversation is unknown."""
    return _list_own_page("outcomes", call, partial(reading.read_outcomes, store, newest_first=True))


def get_ratings(store: Store, call: Call) -> Reply:
    """Return a page of ratings, the newest first, also those of something unknown."""
    return _list_own_page("ratings", call, partial(reading.read_ratings, store, newest_first=True))


def get_users(store: Store, call: Call) -> Reply:
    """Return a page of users, what changed last first."""
    return _list_own_page("users", call, partial(reading.read_users, store, newest_first=True))


def get_organizations(store: Store, call: Call) -> Reply:
    """Return a page of organizations, what changed last first."""
    return _list_own_page(
        "organizations", call, partial(reading.read_organizations, store, newest_first=True)
    )


def get_requests(store: Store, call: Call) -> Reply:
    """Return a page of the accepted requests, the newest first."""
    return _list_own_page("requests", call, partial(reading.read_requests, store, newest_first=True))


def get_conversation(store: Store, call: Call) -> Reply:
    """Return one conversation, by either id, with everything that is stored of it."""
    conversations = reading.read_conversations(store, id=call.path_id)
    if not conversations:
        raise Refused(404, f"No conversation has the id {call.path_id!r}")
    return Reply(200, views.write_in_full(conversations[-1]))


def get_health(store: Store, call: Call) -> Reply:
    """Answer 200 once the store answers."""
    reading.read_products(store, limit=1)
    return Reply(200, {"success": True})


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", f"{API}/messages", post_messages),
    Endpoint("POST", f"{API}/events", post_event),
    Endpoint("POST", f"{API}/ratings", post_rating),
    Endpoint("POST", f"{API}/users", post_user),
    Endpoint("PUT", f"{API}/users/{{id}}", put_user),
    Endpoint("POST", f"{API}/organizations", post_organization),
    Endpoint("PUT", f"{API}/organizations/{{id}}", put_organization),
    Endpoint("GET", f"{API}/interactions", get_interactions),
    Endpoint("GET", f"{API}/interactions/{{id}}", get_interaction),
    Endpoint("GET", f"{API}/products", get_products),
    Endpoint("GET", f"{OWN}/conversations", get_conversations),
    Endpoint("GET", f"{OWN}/conversations/{{id}}", get_conversation),
    Endpoint("GET", f"{OWN}/outcomes", get_outcomes),
    Endpoint("GET", f"{OWN}/ratings", get_ratings),
    Endpoint("GET", f"{OWN}/users", get_users),
    Endpoint("GET", f"{OWN}/organizations", get_organizations),
    Endpoint("GET", f"{OWN}/requests", get_requests),
    Endpoint("GET", f"{OWN}/health", get_health),
)


class _Fetch(Protocol[S_co]):
    def __call__(self, *, limit: int, offset: int) -> Sequence[S_co]: ...


def _list_page(
    call: Call, fetch: _Fetch[S], view: Callable[[S], object], *, size_name: str = "limit"
) -> Reply:
    """Return a page of a list; fetch one entry more to know whether there is a next page."""
    page = read_page(call.query, size_name=size_name)
    entries = fetch(limit=page.limit + 1, offset=page.offset)
    links = list_links(call.url, call.query, page, more=len(entries) > page.limit)
    return Reply(200, [view(entry) for entry in entries[: page.limit]], link_header(links))


def _list_own_page(name: str, call: Call, fetch: _Fetch[object]) -> Reply:
    """Return a page for people, the newest first: a browser shows no headers, so the body says how to go on."""
    page = read_page(call.query)
    entries = fetch(limit=page.limit + 1, offset=page.offset)
    links = list_links(call.url, call.query, page, more=len(entries) > page.limit)
    others = [call.url.removesuffix(name) + other for other in OWN_LISTS if other != name]
    body = {
        name: views.write_in_full(tuple(entries[: page.limit])),
        "next": links.get("next"),
        "previous": links.get("prev"),
        "seeAlso": others,
    }
    return Reply(200, body, link_header(links))


def _fetch_conversations(store: Store, call: Call) -> partial[tuple[StoredConversation, ...]]:
    if "versionId" in call.query:
        raise Refused(400, "versionId: the emulator keeps no versions; leave it out")
    product_id = call.query.get("productId")
    return partial(reading.read_conversations, store, product_id=product_id and product_id.lower())


def _is_sampled(store: Store, request: MessagesRequest) -> bool:
    """Decide about a whole conversation: by the caller's id of it, if there is one."""
    key = request.external_conversation_id
    if key is None and request.conversation_id is not None:
        key = reading.external_id_of(store, request.conversation_id) or request.conversation_id.lower()
    if key is None:
        key = repr(request.as_sent())
    return sampling.is_sampled(key, request.sample_rate, forced=request.force_sample)


def _save_user(
    store: Store, call: Call, external_id: str, request: UserRequest | UserUpdate, *, must_exist: bool
) -> Reply:
    with store.change() as change:
        status = _begin_profile(change, call, "user", external_id, must_exist=must_exist)
        writing.save_user(change, external_id, request)
    (user,) = reading.read_users(store, external_id=external_id)
    return Reply(status, {"success": True, "participant": views.write_participant(user)})


def _save_organization(
    store: Store,
    call: Call,
    external_id: str,
    request: OrganizationRequest | OrganizationUpdate,
    *,
    must_exist: bool,
) -> Reply:
    with store.change() as change:
        status = _begin_profile(change, call, "organization", external_id, must_exist=must_exist)
        writing.save_organization(change, external_id, request)
    (organization,) = reading.read_organizations(store, external_id=external_id)
    return Reply(status, {"success": True, "organization": views.write_organization(organization)})


def _begin_profile(
    change: Change, call: Call, kind: writing.Kind, external_id: str, *, must_exist: bool
) -> int:
    """Note the request that saves a user or an organization; return the status of its answer."""
    if must_exist:
        writing.demand_profile(change, kind, external_id)
    status = 200 if must_exist else 201
    writing.note(change, call.arrival, status, external_id)
    return status
