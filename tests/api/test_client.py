"""The client against a real server: one attempt, one answer, nothing raised."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx
import pytest
from opentelemetry import context as otel_context
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY

from greenflash_otel import internal_errors
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.client import MAX_BODY_BYTES, Client
from greenflash_otel.greenflash_api.connections import find_proxy
from tests.delivery.fakes import messages
from tests.delivery.processes import output_of
from tests.delivery.server import Reply, Server

KEY = "gf_very_secret"
REQUEST = messages("chat-42", "a")


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A client of it."""
    with closing(Client(server.url + "/", KEY, timeout_s=5.0)) as client:
        yield client


def test_it_sends_the_bytes_as_they_are(client: Client, server: Server) -> None:
    """To the path below the base URL, with the key, and under our own name."""
    answer = client.send(REQUEST)
    assert (answer.status, answer.body, answer.fault) == (201, b'{"success":true}', None)
    (received,) = server.received
    assert (received.path, received.body) == ("/api/v1/messages", REQUEST.body)
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("greenflash-otel/")


def test_it_hands_on_what_the_policy_needs(client: Client, server: Server) -> None:
    """The status, the wait asked for, the server's time, and what it said."""
    date = "Sat, 21 Nov 2026 10:00:00 GMT"
    server.replies = [Reply(429, b"slow down", {"Retry-After": "7", "Date": date})]
    answer = client.send(REQUEST)
    assert answer == Answer(429, b"slow down", retry_after="7", date=date)


def test_our_clock_stands_in_for_the_servers(client: Client) -> None:
    """An answer without a date was made when it came."""
    answer = client.send(REQUEST)
    assert answer.date is not None
    age = datetime.now(timezone.utc) - parsedate_to_datetime(answer.date)
    assert abs(age.total_seconds()) < 60


def test_an_empty_answer(client: Client, server: Server) -> None:
    """204 has no body."""
    server.replies = [Reply(204)]
    answer = client.send(REQUEST)
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_it_follows_no_redirect(status: int, client: Client, server: Server) -> None:
    """The key is for one host, and a POST must not become a GET."""
    server.replies = [Reply(status, b"", {"Location": f"{server.url}/elsewhere"})]
    assert client.send(REQUEST).status == status
    assert len(server.received) == 1


def test_it_reads_a_bounded_part_of_an_answer(client: Client, server: Server) -> None:
    """Whatever stands at the base URL cannot fill our memory."""
    server.replies = [Reply(500, b"x" * (MAX_BODY_BYTES + 5))]
    answer = client.send(REQUEST)
    assert (answer.status, answer.body) == (500, b"x" * MAX_BODY_BYTES)


def test_a_status_counts_though_its_body_breaks_off(client: Client, server: Server) -> None:
    """A refusal is a refusal, even where the server hangs up in the middle of its reason."""
    server.replies = [Reply(413, b"too lar", missing_bytes=3)]
    answer = client.send(REQUEST)
    assert (answer.status, answer.body, answer.is_cut) == (413, b"too lar", True)


def test_a_connection_that_is_cut(client: Client, server: Server) -> None:
    """No answer, and the next attempt finds a connection again."""
    server.replies = [Reply(cut=True)]
    assert client.send(REQUEST) == Answer(None, fault="connection")
    assert client.send(REQUEST).status == 201


def test_nobody_listens() -> None:
    """A port that is closed is a fault of the connection."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    with closing(Client(f"http://127.0.0.1:{port}/api/v1", KEY)) as client:
        assert client.send(REQUEST) == Answer(None, fault="connection")


@pytest.mark.parametrize("own_limit_s", [0.05, 60.0])
def test_no_answer_in_time(own_limit_s: float, server: Server) -> None:
    """The client's limit or the attempt's own, whichever is shorter."""
    late = threading.Event()
    server.replies = [Reply(wait_for=late)]
    with closing(Client(server.url, KEY, timeout_s=own_limit_s)) as client:
        assert client.send(REQUEST, timeout_s=0.05) == Answer(None, fault="timeout")
    late.set()


def test_an_answer_that_trickles_is_cut_off(server: Server) -> None:
    """A server that keeps sending a little does not keep us for ever."""
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += 1.0
        return now_s

    server.replies = [Reply(500, b"x" * 900_000)]
    with closing(Client(server.url, KEY, timeout_s=9.0, clock=clock)) as client:
        answer = client.send(REQUEST)
    assert (answer.status, answer.is_cut) == (500, True)
    assert 0 < len(answer.body) < 900_000


def test_a_server_that_speaks_no_tls(server: Server) -> None:
    """Nothing is sent to it."""
    with closing(Client(server.url.replace("http:", "https:"), KEY)) as client:
        assert client.send(REQUEST) == Answer(None, fault="tls")
    assert server.received == []


def test_a_given_client_is_used_and_left_open(server: Server) -> None:
    """With its headers, but neither its redirects nor its credentials, and no connection is kept."""
    with httpx.Client(headers={"x-proxy": "yes"}, follow_redirects=True, auth=("me", "secret")) as given:
        client = Client(server.url, KEY, http_client=given)
        server.replies = [Reply(302, b"", {"Location": server.url})]
        assert client.send(REQUEST).status == 302
        client.close()
        assert not given.is_closed
    (received,) = server.received
    assert received.headers["x-proxy"] == "yes"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["connection"] == "close"


def test_a_given_client_that_fails_raises_nothing(server: Server) -> None:
    """Whatever it raises is a fault of the client."""

    def refuse(request: httpx.Request) -> None:
        raise ZeroDivisionError

    before = internal_errors.get_internal_errors().get(
        step := "send with the HTTP client; what was captured waits", 0
    )
    with httpx.Client(event_hooks={"request": [refuse]}) as given:
        assert Client(server.url, KEY, http_client=given).send(REQUEST) == Answer(None, fault="client")
    assert internal_errors.get_internal_errors()[step] == before + 1
    assert Client(server.url, KEY, http_client=given).send(REQUEST) == Answer(None, fault="client")


def test_nothing_it_does_is_traced(server: Server) -> None:
    """Instrumentations find the keys set by which they know to be silent; ours are gone afterwards."""
    seen = []

    def look(request: httpx.Request) -> None:
        seen.append(dict(otel_context.get_current()))

    before = otel_context.get_current()
    with httpx.Client(event_hooks={"request": [look]}) as given:
        Client(server.url, KEY, http_client=given).send(REQUEST)
    assert otel_context.get_current() is before
    assert seen[0][_SUPPRESS_INSTRUMENTATION_KEY] is True
    assert seen[0][_SUPPRESS_HTTP_INSTRUMENTATION_KEY] is True
    assert seen[0]["suppress_instrumentation"] is True


@pytest.mark.parametrize("passes_client", [False, True])
def test_it_logs_nothing(passes_client: bool, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Nor do the libraries below, in their most talkative mood. The application's requests are logged."""
    caplog.set_level(logging.DEBUG)
    server.replies = [Reply(401), Reply(cut=True)]
    with httpx.Client() as application:
        with closing(Client(server.url, KEY, http_client=application if passes_client else None)) as client:
            caplog.clear()
            for _ in range(3):
                client.send(REQUEST)
        assert caplog.messages == []
        application.post(server.url)
    assert {"httpx", "httpcore.http11"} <= {record.name for record in caplog.records}
    assert KEY not in repr(client)


def test_a_server_that_quotes_the_key(client: Client, server: Server) -> None:
    """What it says is logged and stored; the key must not be."""
    server.replies = [Reply(401, f'{{"message":"Invalid API key {KEY}"}}'.encode())]
    assert client.send(REQUEST).body == b'{"message":"Invalid API key [API key]"}'


@pytest.mark.parametrize(
    "path", ["/messages/../admin", "@evil.example/messages", "", "//evil.example", "/keys"]
)
def test_a_path_that_is_not_the_apis_is_not_sent(path: str, client: Client, server: Server) -> None:
    """It may come from a disk that others can write to."""
    assert client.send(replace(REQUEST, path=path)) == Answer(None, fault="path")
    assert server.received == []


@pytest.mark.parametrize("passes_client", [False, True])
def test_an_answer_that_is_compressed_all_the_same(passes_client: bool, server: Server) -> None:
    """It is read within the same bounds."""
    bomb = gzip.compress(b"x" * (MAX_BODY_BYTES * 4))
    server.replies = [
        Reply(200, gzip.compress(b'{"success":true}'), {"Content-Encoding": "gzip"}),
        Reply(200, bomb, {"Content-Encoding": "gzip"}),
        Reply(200, b"nonsense", {"Content-Encoding": "gzip"}),
    ]
    with (
        httpx.Client() as application,
        closing(Client(server.url, KEY, http_client=application if passes_client else None)) as client,
    ):
        assert client.send(REQUEST).body == b'{"success":true}'
        assert client.send(REQUEST).body == b"x" * MAX_BODY_BYTES
        assert client.send(REQUEST).body == b"nonsense"


def test_it_goes_through_the_proxy_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the proxy's own credentials; hosts that need none are reached directly."""
    monkeypatch.setenv(
        "HTTP_PROXY", server.url.replace("http://", "http://me:s%40cret@").removesuffix("/api/v1")
    )
    with closing(Client("http://greenflash.invalid/api/v1", KEY)) as client:
        assert client.send(REQUEST).status == 201
    (received,) = server.received
    assert received.path == "http://greenflash.invalid/api/v1/messages"
    assert received.headers["proxy-authorization"] == "Basic " + b64encode(b"me:s@cret").decode()
    monkeypatch.setenv("NO_PROXY", "example.org, 127.0.0.1")
    with closing(Client(server.url, KEY)) as client:
        assert client.send(REQUEST).status == 201
    assert server.received[1].path == "/api/v1/messages"


@pytest.mark.parametrize(
    ("url", "proxies", "proxy"),
    [
        ("https://a.example.org", {"https": "http://p:1"}, "http://p:1"),
        ("https://a.example.org", {"all": "socks5://p:1"}, "socks5://p:1"),
        ("https://a.example.org", {"http": "http://p:1"}, None),
        ("https://a.example.org", {"https": "p:1"}, "http://p:1"),
        ("https://a.example.org", {"https": "http://p:1", "no": "*"}, None),
        ("https://a.example.org", {"https": "http://p:1", "no": "other, .EXAMPLE.org"}, None),
        ("https://a.example.org", {"https": "http://p:1", "no": "*.example.org"}, None),
        ("https://a.example.org", {"https": "http://p:1", "no": "ample.org,,"}, "http://p:1"),
        ("http://[::1]:8000", {"http": "http://p:1", "no": "::1"}, None),
    ],
)
def test_which_proxy(url: str, proxies: dict[str, str], proxy: str | None) -> None:
    """By scheme, unless the host is excepted."""
    found = find_proxy(httpx.URL(url), proxies)
    assert (None if found is None else str(found)) == proxy


def test_a_closed_client_opens_new_connections(server: Server) -> None:
    """Closing is for connections; sending still works."""
    client = Client(server.url, KEY)
    assert client.send(REQUEST).status == 201
    client.close()
    client.close()
    assert client.send(REQUEST).status == 201
    client.close()


def test_a_forked_child_has_connections_of_its_own(server: Server) -> None:
    """Parent and child never read each other's answers."""
    script = """
import json
from greenflash_otel.greenflash_api.client import Client
client = Client(sys.argv[1], "gf_test")
print(client.send(messages("chat", "before")).status, flush=True)
child = os.fork()
for n in range(20):
    answer = client.send(messages("chat", f"{'parent' if child else 'child'}-{n}"))
    assert answer.status == 201, answer
if child:
    print(os.waitpid(child, 0)[1])
else:
    client.close()
    os._exit(0)
client.close()
"""
    assert output_of(script, server.url).splitlines() == ["201", "0"]
    assert len(server.received) == 41
