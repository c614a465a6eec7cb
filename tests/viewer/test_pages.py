"""Every page, as a browser without scripts gets it."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from tests.viewer.conftest import Stories
from tests.viewer.stories import happen, item, rate, say, send

PATHS: tuple[str, ...] = (
    "/",
    "/outcomes",
    "/outcomes/upgrade",
    "/requests",
    "/requests/1",
    "/users",
    "/users/ada",
    "/organizations",
)
PATHS += (
    "/organizations/acme",
    "/unlinked",
    "/requests?status=rejected",
    "/?has=error",
    "/?q=table&user=eve",
)


def text_of(answer: httpx.Response) -> str:
    """What a reader of a page sees, on one line."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main.partition(">")[2])).split())


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_there_and_guarded(pages: httpx.Client, path: str) -> None:
    """Whole HTML, with a policy that lets nothing run but our one file, and nothing stored."""
    answer = pages.get(path)
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == (
        "nosniff",
        "no-store",
    )
    assert not re.search(r"<script(?! type=\"module\" src=\"/static/)|\sstyle=|\son\w+=", answer.text)
    assert not re.findall(r"(?:src|href|action)=\"(?:https?:)?//", answer.text)


@pytest.mark.parametrize("name", ["viewer.css", "viewer.js", "icon.svg"])
def test_what_pages_load_may_be_stored_for_ever(pages: httpx.Client, name: str) -> None:
    """Its address changes with its content."""
    [address] = {*re.findall(rf'"(/static/[0-9a-f]+/{name})"', pages.get("/").text)}
    answer = pages.get(address)
    assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert "immutable" not in pages.get(f"/static/old/{name}").headers["cache-control"]


def test_the_list_says_who_asked_what_and_what_came_of_it(pages: httpx.Client) -> None:
    """The first question, the last answer or what failed, outcomes and ratings; latest change first."""
    text = text_of(pages.get("/"))
    questions = [
        "Can I invite my whole team?",
        "Und mein Käse?",
        "Please get us a table",
        "Why was I charged twice?",
    ]
    assert sorted(questions, key=text.index) == questions
    assert "✕ RateLimitError: try again in 20 s" in text
    assert "◆ upgrade 149.00 + positive" in text
    assert "I booked the table inside, at 20:00. 3 messages · 4 steps ✕ get_weather failed ★ 2 of 5" in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=Käse", {"cut"}),
        ("q=price_of", {"chat-42"}),
        ("q=100%25", set()),
        ("q=BOB-1", {"bob-1"}),
        ("user=eve", {"dinner"}),
        ("org=acme", {"chat-42"}),
        ("model=gpt-5", {"bob-1"}),
        ("outcome=churn", {"dinner"}),
        ("has=error", {"chat-42", "dinner"}),
        ("has=step,down", {"dinner"}),
        ("has=up", {"chat-42"}),
        ("has=branch", {"chat-42"}),
        ("has=rating", {"chat-42", "dinner"}),
        ("has=outcome", {"chat-42", "dinner"}),
    ],
)
def test_filters(pages: httpx.Client, stories: Stories, query: str, names: set[str]) -> None:
    """Each term of the query narrows the list."""
    shown = re.findall(r'href="/c/([0-9a-f-]{36})"', pages.get(f"/?{query}").text)
    assert {name for name, id in stories.ids.items() if id in shown} == names


def test_a_conversation_as_its_user_saw_it(pages: httpx.Client, stories: Stories) -> None:
    """Question, folded steps, answer, branch, what was left early, what failed, what it led to."""
    text = text_of(pages.get(stories.chat))
    order = [
        "System prompt in parts",
        "Can I invite my whole team?",
        "4 internal steps",
        'price_of {"plan": "team"}',
        "The Team plan covers 20 people for 149 USD a month.",
        "thumb up “ quick! ”",
        "branch 2 of 2",
        "Wait. What if we are 25?",
        "◆ upgrade 149.00 + positive currency, positive",
        "Then the Business plan fits better.",
        "Your invoi",
        "The user left here: the stream was not read to its end.",
        "1 internal step ✕ 1 failed",
        "The user got no answer: RateLimitError: try again in 20 s",
        "2 days later ◆ renewal",
    ]
    turns = text[text.index("System prompt") : text.index("Turns 1 ")]
    assert [part for part in order if part not in turns] == []
    assert sorted(order, key=turns.index) == order
    assert "Done. Welcome" not in turns


def test_the_other_branch(pages: httpx.Client, stories: Stories) -> None:
    """``leaf`` names any message of it."""
    page = pages.get(stories.chat)
    [other] = re.findall(r'rel="prev" href="\?leaf=([0-9a-f-]+)#t-\1"', page.text)
    text = text_of(pages.get(f"{stories.chat}?leaf={other}"))
    assert "Done. Welcome to the Team plan! 🎉" in text
    assert "branch 1 of 2, not continued" in text
    assert "What if we are 25?" not in text


def test_what_an_answer_is_made_of(pages: httpx.Client, stories: Stories) -> None:
    """Its ids, its properties and the line that rates it; its own page has it raw."""
    page = pages.get(stories.chat)
    text = text_of(page)
    assert 'greenflash.record_rating(True, message_id="a1")' in text
    assert "response_id chatcmpl-9xQ" in text
    [message] = stories.emulator.conversation("chat-42").messages[5:6]
    raw = text_of(pages.get(f"{stories.chat}/m/{message.id}"))
    assert '"externalMessageId": "a1"' in raw
    assert 'id="m-' + message.id in page.text


def test_a_second_answer_to_the_same_question(pages: httpx.Client, stories: Stories) -> None:
    """Both are shown, and say so."""
    text = text_of(pages.get(f"/c/{stories.ids['dinner']}"))
    assert text.index("Answer 1 of 2 to this question") < text.index("Answer 2 of 2 to this question")
    assert "tool_error The service knows nothing of Rome." in text


def test_a_missing_parent_is_named(pages: httpx.Client, stories: Stories) -> None:
    assert "⚠ hangs on gone , which is not stored" in text_of(pages.get(f"/c/{stories.ids['cut']}"))


def test_as_text_json_and_requests(pages: httpx.Client, stories: Stories) -> None:
    """The tree, everything, and the requests that made the conversation."""
    text = pages.get(f"{stories.chat}/text")
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text.startswith("conversation chat-42 (user ada, organization acme, model gpt-4o-mini)")
    assert pages.get(f"{stories.chat}/json").json()["externalId"] == "chat-42"
    requests = text_of(pages.get(f"{stories.chat}/requests"))
    assert "chat-42: 14 new" in requests
    assert "chat-42: 0 new, 1 known before" in requests
    assert "upgrade 149.00 → chat-42" in requests
    assert "bob-1" not in requests


def test_every_refused_request_says_why(pages: httpx.Client) -> None:
    """Whatever was wrong: the body, its bytes, the key, the route."""
    text = text_of(pages.get("/requests?status=rejected"))
    assert "401 POST /messages Authentication required" in text
    assert "404 POST /messages No route '/messages'; the API begins at /api/v1" in text
    assert "400 POST /events body: is not UTF-8; encode it so" in text
    assert "messages[0].createdAt: must be a date-time with a zone" in text
    assert "201" not in text


def test_a_request_in_full(pages: httpx.Client, stories: Stories) -> None:
    """Body and a command without the key."""
    page = pages.get("/requests/3")
    text = text_of(page)
    assert "curl -X POST http://127.0.0.1:" in text
    assert '-H "Authorization: Bearer $GREENFLASH_API_KEY"' in text
    assert "gf_secret_key" not in page.text
    assert "greenflash-otel/0.1" in text
    assert pages.get("/requests/3/body").json()["externalConversationId"] == "chat-42"
    broken = pages.get("/requests?status=rejected").text
    [number] = re.findall(r'href="(/requests/\d+)">POST <bdi>/events', broken)
    assert r'{"eventType": \xff' in text_of(pages.get(number))
    assert pages.get(f"{number}/body").content == b'{"eventType": \xff'


def test_outcomes_with_the_conversations_behind_them(pages: httpx.Client) -> None:
    """Counts, sums, influence; names that differ in writing only are pointed out."""
    text = text_of(pages.get("/outcomes"))
    assert "◆ upgrade 1 × sum 149.00" in text
    assert "⚠ differs from Upgrade in writing only" in text
    assert "resolved 1 × true 1 false 0" in text
    assert "⚠ never-sent is not stored" in text
    one = text_of(pages.get("/outcomes/upgrade"))
    assert "Can I invite my whole team?" in one or "Wait. What if we are 25?" in one
    assert "renewal" not in one


def test_users_and_organizations(pages: httpx.Client) -> None:
    """Profile, conversations, outcomes."""
    assert "Ada Lovelace ada ada@example.com at acme 1 conversation" in text_of(pages.get("/users"))
    ada = text_of(pages.get("/users/ada"))
    assert "Can I invite my whole team?" in ada
    assert "renewal 1490.00" in ada
    assert "Acme" in text_of(pages.get("/organizations/acme"))


def test_what_is_linked_to_nothing(pages: httpx.Client) -> None:
    """Each with the reason, and counted in the header of every page."""
    page = pages.get("/unlinked")
    text = text_of(page)
    assert "⚠ names no conversation" in text
    assert "⚠ never-sent is not stored" in text
    assert "nobody-knows" in text
    assert "user_message gone cut" in text
    assert "3 unlinked" in page.text
    assert "4 rejected" in page.text


@pytest.mark.parametrize(
    ("id", "target"),
    [
        ("chat-42", r"/c/CHAT"),
        ("a1", r"/c/CHAT\?leaf=[0-9a-f-]+#m-[0-9a-f-]+"),
        ("chatcmpl-9xQ", r"/c/CHAT\?leaf=[0-9a-f-]+#m-[0-9a-f-]+"),
        ("order-7", r"/c/CHAT#o-[0-9a-f-]+"),
        ("eve", "/users/eve"),
        ("acme", "/organizations/acme"),
    ],
)
def test_any_id_is_found(pages: httpx.Client, stories: Stories, id: str, target: str) -> None:
    answer = pages.get("/find", params={"id": id})
    assert answer.status_code == 303
    assert re.fullmatch(target.replace("CHAT", stories.ids["chat-42"]), answer.headers["location"])


@pytest.mark.parametrize(
    "path",
    [
        "/find?id=nothing",
        "/c/nothing",
        "/c/nothing/text",
        "/users/nothing",
        "/outcomes/none",
        "/requests/999",
        "/nothing",
    ],
)
def test_what_is_not_there_says_where_to_look(pages: httpx.Client, path: str) -> None:
    """A page with a search for any id, not a line of JSON."""
    answer = pages.get(path)
    assert answer.status_code == 404
    assert 'action="/find"' in answer.text
    assert 'href="/requests?status=rejected"' in answer.text


@pytest.mark.parametrize("path", ["/?has=nothing", "/?before=x", "/requests?status=odd"])
def test_a_query_that_means_nothing_is_explained(pages: httpx.Client, path: str) -> None:
    answer = pages.get(path)
    assert answer.status_code == 400
    assert re.search(r"is not known; write one of|is no place in this list", text_of(answer))


def test_programs_get_their_errors_as_before(pages: httpx.Client) -> None:
    """JSON, unless a browser asks for a page."""
    assert pages.get("/nothing", headers={"accept": "*/*"}).json()["success"] is False
    assert pages.get("/api/v1/nothing").json()["success"] is False


def test_the_empty_page_teaches(client: httpx.Client, emulator: Emulator) -> None:
    """With the address to set; and it says so when all that came was refused."""
    text = text_of(client.get("/"))
    assert f"export GREENFLASH_BASE_URL={emulator.base_url}" in text
    assert "greenflash.instrument()" in text
    send(emulator.url, "/messages", {"messages": []})
    assert "1 request was rejected. See why" in text_of(client.get("/"))


def test_pages_of_a_list_do_not_shift(client: httpx.Client, emulator: Emulator) -> None:
    """What arrives meanwhile is on the first page only; each conversation is shown once."""
    for number in range(120):
        say(emulator.url, f"c{number}", {"role": "user", "content": f"question {number}"})
    seen: list[str] = []
    address = "/?user=ada"
    while address:
        page = client.get(address)
        seen += re.findall(r"question (\d+)", page.text)
        say(emulator.url, f"late{len(seen)}", {"role": "user", "content": "too late"})
        found = re.findall(r'rel="next" href="([^"]+)"', page.text)
        address = "/" + unescape(found[0]) if found else ""
    assert seen == [str(number) for number in reversed(range(120))]


def test_conversations_without_ids_parents_or_content(client: httpx.Client, emulator: Emulator) -> None:
    """Simple chat; steps before any question; nothing visible at all."""
    chat = [{"role": role, "content": f"{role} says {n}"} for n in range(3) for role in ("user", "assistant")]
    id = say(emulator.url, "plain", *chat)
    text = text_of(client.get(f"/c/{id}"))
    assert sorted((each["content"] for each in chat), key=text.index) == [each["content"] for each in chat]
    assert "Turn 3" in text
    hidden = say(
        emulator.url, "hidden", item("h", "llm", 1, output={"text": "hm"}), item("u", "user_message", 2)
    )
    text = text_of(client.get(f"/c/{hidden}"))
    assert (
        text.index("Before the first question")
        < text.index("1 internal step")
        < text.index("(content was not sent)")
    )


def test_parents_in_a_circle(client: httpx.Client, emulator: Emulator) -> None:
    """Each message is shown once."""
    id = say(
        emulator.url,
        "circle",
        item("u1", "user_message", 1, "first", parent="u2"),
        item("u2", "user_message", 2, "second", parent="u1"),
        item("s1", "task", 3, parent="s2", input={"n": 1}),
        item("s2", "task", 4, parent="s1", input={"n": 2}),
        item("me", "task", 5, parent="me", input={"n": 3}),
    )
    page = client.get(f"/c/{id}").text
    assert [page.count(f'id="m-{message.id}"') for message in emulator.conversation("circle").messages] == [
        1
    ] * 5


def test_a_rating_of_a_message_the_conversation_does_not_have(
    client: httpx.Client, emulator: Emulator
) -> None:
    """It is shown where it happened, with a warning."""
    id = say(emulator.url, "rated", item("u1", "user_message", 1, "hi"))
    rate(emulator.url, 1, 1, externalConversationId="rated", externalMessageId="other")
    assert "⚠ it rates other , which this conversation does not have" in text_of(client.get(f"/c/{id}"))
    assert "1 unlinked" in client.get("/").text


def test_ids_with_slashes_and_spaces(client: httpx.Client, emulator: Emulator) -> None:
    """Users, organizations and event types may be called anything."""
    odd = "a/b c?d#e%2F&é"
    say(emulator.url, odd, {"role": "user", "content": "hi"}, user=odd, externalOrganizationId=odd)
    happen(emulator.url, odd, "1", odd)
    for path in ("/", "/users", "/organizations", "/outcomes"):
        for address in re.findall(r'href="(/(?:users|organizations|outcomes)/[^"]+)"', client.get(path).text):
            answer = client.get(unescape(address))
            assert (answer.status_code, odd in unescape(answer.text)) == (200, True)
    assert client.get("/find", params={"id": odd}).status_code == 303
