"""What stands around the endpoints: keys, bounds, routes, the emulator's own pages."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from greenflash_otel.emulator import Emulator, Faults
from greenflash_otel.emulator.endpoints import MAX_BODY_BYTES
from greenflash_otel.emulator.faults import Fault
from tests.emulator.bodies import AGENT, CHAT, EVENT, ORGANIZATION, OTHER, PRODUCT, RATING, USER

POSTS = [
    pytest.param("/messages", CHAT, id="messages"),
    pytest.param("/events", EVENT, id="events"),
    pytest.param("/ratings", RATING, id="ratings"),
    pytest.param("/users", USER, id="users"),
    pytest.param("/organizations", ORGANIZATION, id="organizations"),
]


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_a_good_body_is_accepted(
    client: httpx.Client, emulator: Emulator, path: str, body: Mapping[str, Any]
) -> None:
    """201, and the log of requests has it as it was sent."""
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["success"]) == (201, True)
    (request,) = emulator.requests()
    assert (request.method, request.path, request.body, request.sampled_out) == ("POST", path, body, False)


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_a_bad_body_is_refused_whole(
    client: httpx.Client, emulator: Emulator, path: str, body: Mapping[str, Any]
) -> None:
    """400 with a message, and nothing is stored or logged."""
    answer = client.post(path, json={**body, "surprise": 1})
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "message": "surprise: is not a field of the API; leave it out",
    }
    assert emulator.requests() == ()
    assert (emulator.conversations(), emulator.outcomes(), emulator.ratings()) == ((), (), ())
    assert (emulator.users(), emulator.organizations()) == ((), ())


KEYS = [
    pytest.param(None, "Authentication required: send 'Authorization: Bearer <key>'", id="none"),
    pytest.param("", "Invalid authorization header: write 'Bearer <key>'", id="empty"),
    pytest.param("Bearer", "Invalid authorization header: write 'Bearer <key>'", id="no key"),
    pytest.param("Basic gf_key", "Invalid authorization header: write 'Bearer <key>'", id="other scheme"),
    pytest.param("Bearer gf_other", "Invalid API key", id="wrong key"),
    pytest.param("Bearer gf_key", None, id="the key"),
    pytest.param("bearer gf_key", None, id="schemes have no case"),
]


@pytest.fixture(scope="module")
def locked() -> Iterator[Emulator]:
    """An emulator with a key of its own."""
    with Emulator(api_key="gf_key") as emulator:
        yield emulator


@pytest.mark.parametrize("path", ["/api/v1/products", "/emulator/conversations", "/emulator/health"])
@pytest.mark.parametrize(("header", "message"), KEYS)
def test_a_key_locks_every_route(
    locked: Emulator, path: str, header: str | None, message: str | None
) -> None:
    """With one set, its own pages too; 401 says which of three things is wrong."""
    answer = httpx.get(locked.url + path, headers={} if header is None else {"authorization": header})
    if message is None:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()) == (401, {"success": False, "message": message})


def test_without_a_key_any_will_do(emulator: Emulator) -> None:
    """The API still wants one, as Greenflash does; the emulator's own pages are open."""
    url = f"{emulator.base_url}/products"
    assert httpx.get(url, headers={"authorization": "Bearer anything"}).status_code == 200
    assert httpx.get(url).status_code == 401
    assert httpx.get(f"{emulator.url}/emulator/health").json() == {"success": True}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused(chunked: bool) -> None:
    """By what it declares, or while it is read if it declares nothing; the bound itself is allowed."""
    with Emulator(max_body_bytes=100) as emulator, httpx.Client(base_url=emulator.base_url) as client:
        client.headers["authorization"] = "Bearer gf_test"

        def post(size: int) -> httpx.Response:
            body = b" " * size
            return client.post("/events", content=iter([body[:60], body[60:]]) if chunked else body)

        assert post(101).status_code == 413
        assert post(101).json() == {
            "success": False,
            "message": "body: is larger than 100 bytes; send fewer or smaller messages",
        }
        assert post(100).status_code == 400  # blanks are no JSON, but they were read


def test_a_declared_size_is_enough_to_refuse(emulator: Emulator) -> None:
    """Not a byte of a body that announces itself as too large is waited for."""
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    with socket.create_connection((emulator.host, emulator.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_is_refused_by_default(client: httpx.Client, emulator: Emulator) -> None:
    """A client that sends 4.5 MB and more gets its 413, not a broken connection."""
    body = {**CHAT, "properties": {"text": "x" * MAX_BODY_BYTES}}
    assert client.post("/messages", json=body).status_code == 413
    body = {**CHAT, "properties": {"text": "x" * (MAX_BODY_BYTES - 2_000)}}
    assert client.post("/messages", json=body).status_code == 201
    assert len(emulator.conversations()) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        pytest.param(
            "GET", "/api/v1/nothing", 404, "No route '/api/v1/nothing'; the API begins at /api/v1", id="api"
        ),
        pytest.param(
            "POST", "/messages", 404, "No route '/messages'; the API begins at /api/v1", id="base forgotten"
        ),
        pytest.param(
            "POST",
            "/api/v1/messages/",
            404,
            "No route '/api/v1/messages/'; the API begins at /api/v1",
            id="/",
        ),
        pytest.param("GET", "/api/v1/messages", 405, "GET is not allowed on '/api/v1/messages'", id="method"),
        pytest.param(
            "PUT",
            "/api/v1/users/",
            404,
            "No route '/api/v1/users/'; percent-encode the id as one segment",
            id="no id",
        ),
        pytest.param(
            "PUT",
            "/api/v1/users/a/b",
            404,
            "No route '/api/v1/users/a/b'; percent-encode the id as one segment",
            id="slash",
        ),
        pytest.param(
            "PUT",
            "/api/v1/users/nobody",
            404,
            "No user has the external id 'nobody'; create it with POST /users",
            id="user",
        ),
        pytest.param(
            "PUT",
            "/api/v1/organizations/none",
            404,
            "No organization has the external id 'none'; create it with POST /organizations",
            id="organization",
        ),
        pytest.param(
            "GET",
            f"/api/v1/interactions/{OTHER}",
            404,
            f"No interaction has the id '{OTHER}'; name Greenflash's id, not the external one",
            id="interaction",
        ),
        pytest.param(
            "GET", "/emulator/conversations/none", 404, "No conversation has the id 'none'", id="conversation"
        ),
        pytest.param(
            "GET",
            "/api/v1/interactions?limit=0",
            400,
            "limit: must be a whole number from 1 to 100",
            id="page",
        ),
        pytest.param(
            "GET",
            f"/api/v1/interactions?versionId={OTHER}",
            400,
            "versionId: the emulator keeps no versions; leave it out",
            id="version",
        ),
    ],
)
def test_what_is_not_there(locked: Emulator, method: str, path: str, status: int, message: str) -> None:
    """Every refusal is JSON that says what to do, and no redirect takes a body along."""
    content = b"{}" if method == "PUT" else None
    headers = {"authorization": "Bearer gf_key"}
    answer = httpx.request(method, locked.url + path, content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"success": False, "message": message})


@pytest.mark.parametrize("id", ["ada", "a/b", "a b", "ä?#%2F", "..%2F", "a+b@example.com"])
def test_an_id_in_a_path_may_hold_anything(client: httpx.Client, emulator: Emulator, id: str) -> None:
    """Percent-encoded as one segment."""
    client.post("/users", json={"externalUserId": id})
    encoded = "".join(f"%{byte:02X}" for byte in id.encode())
    answer = client.put(f"/users/{encoded}", json={"name": "Ada"})
    assert answer.status_code == 200
    assert answer.json()["participant"]["externalId"] == id
    assert [user.name for user in emulator.users()] == ["Ada"]


def test_pages_are_linked(client: httpx.Client) -> None:
    """Following ``next`` from page to page shows each interaction once, in order; ``prev`` leads back."""
    for number in range(5):
        client.post("/messages", json={**CHAT, "externalConversationId": f"c{number}"})
    client.post("/messages", json={**CHAT, "productId": OTHER})
    seen, url = [], f"/interactions?limit=2&productId={PRODUCT.upper()}"
    for _ in range(3):
        answer = client.get(url)
        seen += [interaction["externalId"] for interaction in answer.json()]
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == ["c0", "c1", "c2", "c3", "c4"]
    assert url == ""
    assert client.get(answer.links["prev"]["url"]).json()[0]["externalId"] == "c2"


def test_an_interaction_is_named_by_the_id_of_greenflash(client: httpx.Client) -> None:
    """In either case; the external id names none, also where it is the id of another."""
    id = client.post("/messages", json=CHAT).json()["conversationId"]
    client.post("/messages", json={**CHAT, "externalConversationId": id})
    for name, found in ((id, "chat-42"), (id.upper(), "chat-42"), ("chat-42", None)):
        answer = client.get(f"/interactions/{name}")
        assert answer.json().get("externalId") == found, name
        assert answer.status_code == (404 if found is None else 200)


def test_the_own_pages_show_everything(client: httpx.Client, emulator: Emulator) -> None:
    """By either id: messages with their items, outcomes and ratings, under camelCase names."""
    id = client.post("/messages", json=CHAT).json()["conversationId"]
    client.post("/messages", json={**AGENT, "conversationId": id})
    client.post("/events", json={**EVENT, "conversationId": id})
    client.post("/ratings", json=RATING)
    (listed,) = client.get(f"{emulator.url}/emulator/conversations").json()["conversations"]
    assert listed == client.get(f"{emulator.url}/emulator/conversations/{id}").json()
    assert listed == client.get(f"{emulator.url}/emulator/conversations/chat-42").json()
    assert (listed["id"], listed["externalId"], listed["externalUserId"]) == (id, "chat-42", "ada")
    assert (listed["systemPrompt"], listed["voiceCall"]) == (AGENT["systemPrompt"], AGENT["voiceCall"])
    first, second = CHAT["messages"]  # the second one's time is the day that the first one's lies in
    assert [message["item"] for message in listed["messages"]] == [second, first, *AGENT["messages"]]
    assert [outcome["body"]["insertId"] for outcome in listed["outcomes"]] == ["i1"]
    assert [(rating["rating"], rating["ratingMax"]) for rating in listed["ratings"]] == [(4, 5.5)]


@pytest.mark.parametrize(("path", "body"), [("/messages", CHAT), ("/events", EVENT)])
def test_a_request_may_be_sampled_out(
    client: httpx.Client, emulator: Emulator, path: str, body: Mapping[str, Any]
) -> None:
    """204 without a body, nothing kept, but logged; ``forceSample`` keeps it."""
    answer = client.post(path, json={**body, "sampleRate": 0, "forceSample": False})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (emulator.conversations(), emulator.outcomes()) == ((), ())
    assert [request.sampled_out for request in emulator.requests()] == [True]
    assert client.post(path, json={**body, "sampleRate": 0, "forceSample": True}).status_code == 201


def test_a_conversation_is_sampled_as_one(client: httpx.Client, emulator: Emulator) -> None:
    """All its requests get the same answer, also one that names it by Greenflash's id."""
    half = {**CHAT, "sampleRate": 0.5, "messages": [{"role": "user", "content": "hi"}]}
    statuses: dict[str, set[int]] = {}
    for number in [*range(20), *range(20)]:
        id = f"c{number}"
        statuses.setdefault(id, set()).add(
            client.post("/messages", json={**half, "externalConversationId": id}).status_code
        )
    assert set(map(frozenset, statuses.values())) == {frozenset({201}), frozenset({204})}
    for conversation in emulator.conversations():
        body = {**half, "conversationId": conversation.id}
        del body["externalConversationId"]
        assert client.post("/messages", json=body).status_code == 201


def test_a_failure_of_its_own_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """500 as JSON, with the exception in the log."""

    class Broken(Faults):
        def choose(self, method: str, path: str) -> Fault | None:
            raise ZeroDivisionError

    with Emulator(faults=Broken()) as emulator:
        answer = httpx.get(f"{emulator.base_url}/products")
    assert (answer.status_code, answer.json()["message"]) == (
        500,
        "The emulator failed: ZeroDivisionError; its log says more",
    )
    assert "ZeroDivisionError" in caplog.text
