"""The pages in Chromium: seen right, live without moving what is read, by keys, without scripts, and harmless."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greenflash_otel.emulator import Emulator
from tests.viewer.conftest import Stories
from tests.viewer.stories import happen, item, say, send, tell_short_story
from tests.viewer.test_hostile import STRINGS, bodies

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
PICTURE: ViewportSize = {"width": 960, "height": 900}
PICTURES = os.environ.get("GREENFLASH_OTEL_PICTURES")
"""A folder for screenshots, for people to look at."""

Open = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser, emulator: Emulator) -> Iterator[Open]:
    """Open a page instead of the one before; ``emulator`` is stopped later.

    A message on its console, an error, a dialog or a request to another host fails the test.
    """
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def note_request(url: str, asked: str) -> None:
        if not asked.startswith(url):
            complaints.append(f"asked {asked}")

    def open_it(
        url: str, path: str = "/", *, viewport: ViewportSize = DESKTOP, dark: bool = False, **options: Any
    ) -> Page:
        for before in contexts:
            before.close()
        context = browser.new_context(viewport=viewport, color_scheme="dark" if dark else "light", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: note_request(url, request.url))
        page.goto(url + path)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


def take_picture(page: Page, name: str) -> None:
    """Write a screenshot if somebody wants to look."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def width_beyond(page: Page) -> int:
    """By how much a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


VIEWS = [
    pytest.param(DESKTOP, False, id="desktop"),
    pytest.param(DESKTOP, True, id="dark"),
    pytest.param(PHONE, False, id="phone"),
]


@pytest.mark.parametrize(("viewport", "dark"), VIEWS)
def test_it_is_seen_right(open_page: Open, stories: Stories, viewport: ViewportSize, dark: bool) -> None:
    """Nothing sticks out, there is something to see, and light is not dark."""
    page = open_page(stories.emulator.url, viewport=viewport, dark=dark)
    for path in (
        "/",
        stories.chat,
        "/outcomes",
        "/requests",
        "/requests/3",
        "/unlinked",
        "/users",
        "/users/ada",
    ):
        page.goto(stories.emulator.url + path)
        assert width_beyond(page) <= 0, path
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) < 200) is dark
        assert (
            page.locator(".row:visible, .turn:visible, .card:visible, .list:visible, .code:visible").count()
            > 0
        )
        name = "list" if path == "/" else "chat" if path == stories.chat else path[1:].replace("/", "-")
        take_picture(page, f"{name}-{'dark' if dark else 'light'}-{viewport['width']}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_picture_of_the_docs(open_page: Open, emulator: Emulator, dark: bool) -> None:
    """It shows a question, folded steps, a thumb and the outcome. The one in `docs/pictures` is as large."""
    page = open_page(emulator.url, f"/c/{tell_short_story(emulator.url)}", viewport=PICTURE, dark=dark)
    name = f"conversation{'-dark' if dark else ''}"
    take_picture(page, name)
    for part in ("Can I invite my whole team?", "internal steps", "quick!", "upgrade"):
        place = page.locator("#turns").get_by_text(part).first.bounding_box()
        assert place is not None
        assert place["y"] + place["height"] <= PICTURE["height"], part
    kept = (Path(__file__).parents[2] / "docs" / "pictures" / f"{name}.png").read_bytes()
    assert struct.unpack(">II", kept[16:24]) == (PICTURE["width"], PICTURE["height"])
    assert len(kept) < 100_000


CONTRAST = """() => {
  const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const read = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (at) => { for (; at; at = at.parentElement) { const c = read(getComputedStyle(at).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const at of document.querySelectorAll("body *")) {
    const own = [...at.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !at.checkVisibility() || at.closest(".hidden, .skip, svg, option")) continue;
    const [a, b] = [light(read(getComputedStyle(at).color)), light(ground(at))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${at.className} ${at.textContent.trim().slice(0, 40)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read(open_page: Open, stories: Stories, dark: bool) -> None:
    """A contrast of at least 4.5 to 1, and a name for everything that can be used."""
    page = open_page(stories.emulator.url, dark=dark)
    for path in (
        "/",
        f"{stories.chat}?steps=open",
        "/outcomes",
        "/requests",
        "/unlinked",
        "/users/ada",
        "/requests/3",
    ):
        page.goto(stories.emulator.url + path)
        assert page.evaluate(CONTRAST) == [], path
        nameless = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
            .filter((at) => !(at.textContent.trim() || at.ariaLabel || at.labels?.length || at.title))
            .map((at) => at.outerHTML)"""
        assert page.evaluate(nameless) == [], path
        doubled = """() => { const ids = [...document.querySelectorAll("[id]")].map((at) => at.id);
            return ids.filter((id, n) => ids.indexOf(id) !== n); }"""
        assert page.evaluate(doubled) == [], path


def test_a_link_opens_what_is_folded(open_page: Open, stories: Stories) -> None:
    """However deep: the step is seen."""
    step = stories.emulator.conversation("chat-42").messages[3]
    page = open_page(stories.emulator.url, f"{stories.chat}#m-{step.id}")
    page.locator(f"#m-{step.id}").wait_for(state="visible")


def test_it_works_without_scripts(open_page: Open, stories: Stories) -> None:
    """Steps unfold, branches change, filters filter; what needs a script is not there."""
    page = open_page(stories.emulator.url, "/", java_script_enabled=False)
    assert page.locator("#live").is_hidden()
    page.get_by_label("Search").fill("price_of")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Can I invite my whole team?").click()
    page.get_by_text("4 internal steps").click()
    assert page.get_by_text("price_of", exact=True).is_visible()
    page.get_by_role("link", name="previous branch").click()
    assert page.get_by_text("Done. Welcome to the Team plan!").is_visible()


def test_hostile_strings_do_nothing(open_page: Open, emulator: Emulator) -> None:
    """On any page, also with everything open: no dialog, no error, no report of the policy, no other host."""
    for text in STRINGS:
        for path, body in bodies(text):
            send(emulator.url, path, body)
        send(emulator.url, "/messages", text.encode())
    paths = ["/", "/outcomes", "/requests", "/users", "/organizations", "/unlinked", "/requests/1"]
    paths += [f"/c/{conversation.id}?steps=open" for conversation in emulator.conversations()]
    page = open_page(emulator.url, viewport=PHONE)
    for path in paths:
        page.goto(emulator.url + path)
        page.evaluate("for (const at of document.querySelectorAll('details')) at.open = true")
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        assert width_beyond(page) <= 0, path


def test_a_list_says_what_is_new_and_does_not_move(open_page: Open, emulator: Emulator) -> None:
    """A pill counts conversations; the list changes when it is clicked."""
    for number in range(60):
        say(emulator.url, f"c{number}", {"role": "user", "content": f"question {number}"})
    page = open_page(emulator.url)
    page.evaluate("scrollTo(0, 700)")
    before = page.evaluate("scrollY")
    for number in range(3):
        say(emulator.url, f"new{number}", {"role": "user", "content": f"news {number}"})
        say(emulator.url, f"new{number}", {"role": "assistant", "content": "indeed"})
    pill = page.get_by_role("link", name="3 new")
    pill.wait_for()
    assert page.evaluate("scrollY") == before
    assert page.get_by_text("news 2").count() == 0
    pill.click()
    page.get_by_text("news 2").wait_for()


def test_the_empty_page_shows_the_first_conversation_by_itself(open_page: Open, emulator: Emulator) -> None:
    page = open_page(emulator.url)
    page.get_by_text("Nothing has arrived yet.").wait_for()
    take_picture(page, "empty")
    say(emulator.url, "first", {"role": "user", "content": "Is anybody there?"})
    page.get_by_text("Is anybody there?").wait_for()


def test_a_conversation_grows_below(open_page: Open, emulator: Emulator) -> None:
    """What is read stays where it is, and so do selection and focus; at the end the page follows."""
    talk = [
        item(f"{kind[0]}{n}", kind, n, f"{kind} {n} " + "word " * 60)
        for n in range(20)
        for kind in ("user_message", "assistant_message")
    ]
    id = say(emulator.url, "talk", *talk)
    page = open_page(emulator.url, f"/c/{id}")
    page.evaluate("scrollTo(0, 900)")
    first = page.locator(".turn").nth(3)
    first.focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelectorAll('.said')[6])")
    state = """[document.querySelectorAll('.said')[6].getBoundingClientRect().top,
        getSelection().toString().length, document.activeElement.id]"""
    before = page.evaluate(state)
    say(emulator.url, "talk", item("late", "user_message", 60, "one more question"))
    page.get_by_role("link", name="1 new ↓").wait_for()
    assert page.evaluate(state) == before
    say(emulator.url, "talk", item("step", "llm", 61, parent="late", output={"text": "hm"}))
    say(emulator.url, "talk", item("answer", "assistant_message", 62, "one more answer", parent="late"))
    happen(emulator.url, "upgrade", "1", "talk")
    page.locator("#turns .happening").wait_for(state="attached")
    assert page.evaluate(state) == before
    assert page.locator("#turns .turn").count() == 21
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_function("innerHeight + scrollY >= document.documentElement.scrollHeight - 80")
    say(emulator.url, "talk", item("end", "user_message", 70, "the very end"))
    page.get_by_text("the very end").first.wait_for()
    page.wait_for_function("innerHeight + scrollY >= document.documentElement.scrollHeight - 80")


def test_paused_pages_wait(open_page: Open, emulator: Emulator) -> None:
    """Nothing is shown until the reader goes on; then all of it is."""
    say(emulator.url, "c", {"role": "user", "content": "hi"})
    page = open_page(emulator.url)
    page.wait_for_load_state("load")
    page.keyboard.press(".")
    page.get_by_text("paused").wait_for()
    witness = page.context.new_page()
    witness.goto(emulator.url)
    say(emulator.url, "d", {"role": "user", "content": "ho"})
    witness.get_by_role("link", name="1 new").wait_for()
    say(emulator.url, "e", {"role": "user", "content": "hum"})
    witness.get_by_role("link", name="2 new").wait_for()  # by now the other stream has sent the first, too
    assert page.locator("#pill").is_hidden()
    page.keyboard.press(".")
    page.get_by_role("link", name="2 new").wait_for()


def test_keys(open_page: Open, stories: Stories) -> None:
    """From the list to a conversation and back, by keys alone."""
    page = open_page(stories.emulator.url)
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("jk")
    assert page.get_by_label("Search").input_value() == "jk"
    page.goto(stories.emulator.url)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{stories.chat}")
    assert page.get_by_text("price_of", exact=True).is_hidden()
    page.keyboard.press("s")
    assert page.get_by_text("price_of", exact=True).is_visible()
    page.keyboard.press("[")
    page.wait_for_url("**leaf=**")
    page.get_by_text("branch 1 of 2").wait_for()
    page.keyboard.press("n")
    page.wait_for_url(f"**{stories.ids['cut']}")
    page.keyboard.press("u")
    page.wait_for_url(f"{stories.emulator.url}/#c-*")
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_url(f"**{stories.chat}")


def test_the_theme_is_remembered(open_page: Open, stories: Stories) -> None:
    """By the server too, so that no page flashes."""
    page = open_page(stories.emulator.url)
    for _ in range(2):
        page.get_by_role("button", name="Theme").click()
    page.goto(stories.emulator.url + "/outcomes")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_copying(open_page: Open, stories: Stories) -> None:
    """The button of a command copies it whole."""
    page = open_page(stories.emulator.url, "/requests/3", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").last.click()
    page.get_by_text("Copied it").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -X POST ")
