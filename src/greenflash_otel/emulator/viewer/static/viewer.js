// @ts-check
// What the pages do with a script: follow what arrives without moving what is read, keys, copy, theme.
// Everything else works without it.

const root = document.documentElement;
const page = document.body.dataset.page;
root.classList.add("js");

/** @param {string} selector @param {ParentNode} [within] @returns {HTMLElement | null} */
const find = (selector, within = document) => within.querySelector(selector);
/** @param {string} selector @param {ParentNode} [within] @returns {HTMLElement[]} */
const findAll = (selector, within = document) => [...within.querySelectorAll(selector)].map((each) => /** @type {HTMLElement} */ (each));

/* ---- settings of the reader ---- */

const settings = {
  /** @param {string} name */
  read(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  },
  /** @param {string} name @param {string} value */
  write(name, value) {
    try { localStorage.setItem(name, value); } catch { /* the browser stores nothing */ }
  },
};

function changeTheme() {
  const order = ["", "light", "dark"];
  const next = order[(order.indexOf(root.dataset.theme ?? "") + 1) % order.length];
  if (next) root.dataset.theme = next; else delete root.dataset.theme;
  document.cookie = `theme=${next}; path=/; max-age=${next ? 31536000 : 0}; samesite=strict`;
  say(next ? `Theme: ${next}` : "Theme: as the system");
}

/* ---- the pill: what is new, and short notes ---- */

const pill = find("#pill");
let noteTimer = 0;

/** @param {string} text @param {() => void} [onClick] @param {boolean} [below] */
function showPill(text, onClick, below = false) {
  if (!pill) return;
  const link = /** @type {HTMLAnchorElement} */ (find("a", pill));
  clearTimeout(noteTimer);
  link.textContent = text;
  link.onclick = (event) => { event.preventDefault(); hidePill(); onClick?.(); };
  pill.classList.toggle("below", below);
  pill.hidden = false;
}

function hidePill() {
  if (pill) pill.hidden = true;
}

/** @param {string} text */
function say(text) {
  if (pill && !pill.hidden && noteTimer === 0) return; // news is more important
  showPill(text);
  noteTimer = setTimeout(() => { noteTimer = 0; hidePill(); }, 1500);
}

/* ---- copy ---- */

/** @param {string} text @param {string} what */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
  } catch {
    say("The browser did not allow copying");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest(".copy") : null;
  if (!(button instanceof HTMLElement)) return;
  event.preventDefault();
  const block = button.closest(".code")?.querySelector("pre")?.textContent;
  void copy(button.dataset.copy ?? block ?? "", "it");
});

/* ---- live ---- */

const live = find("#live");
let isPaused = false;
let waiting = /** @type {Arrived[]} */ ([]);
const [fresh, news] = [new Set(), { requests: 0 }];

/** @typedef {{position: number, conversations: string[], requests: number, rejected: number}} Arrived */

/** @param {string} text @param {boolean} isOn */
function showLive(text, isOn) {
  if (!live) return;
  live.setAttribute("aria-pressed", String(isOn));
  /** @type {HTMLElement} */ (find(".label", live)).textContent = text;
}

function togglePause() {
  isPaused = !isPaused;
  showLive(isPaused ? "paused" : "live", !isPaused);
  if (!isPaused) {
    const missed = waiting;
    waiting = [];
    missed.forEach(receive);
  }
}

/** @param {string} href @returns {Promise<Document>} */
async function fetchPage(href) {
  const text = await (await fetch(href, { headers: { accept: "text/html" } })).text();
  return new DOMParser().parseFromString(/** @type {any} */ (policy ? policy.createHTML(text) : text), "text/html");
}

// Only pages of this server are parsed, and what is parsed does not run: the document is never shown as it is.
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("viewer", { createHTML: (/** @type {string} */ text) => text });

/** @param {Arrived} arrived */
function receive(arrived) {
  if (isPaused) return void waiting.push(arrived);
  if (!arrived.requests) return;
  arrived.conversations.forEach((id) => fresh.add(id));
  news.requests += arrived.requests;
  if (page === "empty") return location.reload();
  if (page === "conversation") {
    if (arrived.conversations.some((id) => location.pathname === `/c/${id}`)) void append();
    return;
  }
  const count = page === "list" ? fresh.size : news.requests;
  if (count) showPill(`${count} new`, () => location.reload());
}

let [appending, askedAgain] = [false, false];

/** Add what is new in this conversation below; replace nothing that is being read. */
async function append() {
  if (appending) { askedAgain = true; return; }
  appending = true;
  try {
    do {
      askedAgain = false;
      const wasAtEnd = isAtEnd();
      const news = merge(await fetchPage(location.href));
      if (news && wasAtEnd) scrollTo({ top: root.scrollHeight });
      else if (news) showPill(`${news} new ↓`, () => scrollTo({ top: root.scrollHeight }), true);
    } while (askedAgain);
  } finally { appending = false; }
}

const isAtEnd = () => innerHeight + scrollY >= root.scrollHeight - 80;

/** @param {Element} part */
function isInUse(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (selection && !selection.isCollapsed && selection.containsNode(part, true));
}

/** @param {Document} other @returns {number} How much was added. */
function merge(other) {
  let news = 0;
  const turns = find("#turns");
  if (!turns) return 0;
  for (const turn of findAll("#turns > .turn", other)) {
    const here = document.getElementById(turn.id);
    if (!here) {
      turns.append(document.adoptNode(turn));
      news += 1;
      continue;
    }
    let last = /** @type {Element | null} */ (here.querySelector("h2"));
    for (const item of [...turn.children].filter((each) => each.id && each.tagName !== "H2")) {
      const known = document.getElementById(item.id);
      if (!known) {
        last?.after(document.adoptNode(item));
        last = document.getElementById(item.id);
        news += 1;
      } else {
        if (known.dataset.count !== /** @type {HTMLElement} */ (item).dataset.count && !isInUse(known)) {
          known.querySelector("summary")?.replaceWith(/** @type {Element} */ (item.querySelector("summary")));
          known.querySelector("ul")?.replaceWith(/** @type {Element} */ (item.querySelector("ul")));
          known.dataset.count = /** @type {HTMLElement} */ (item).dataset.count;
          news += 1;
        }
        last = known;
      }
    }
  }
  for (const id of ["side", "timeline"]) {
    const [old, replacement] = [document.getElementById(id), other.getElementById(id)];
    if (old && replacement && !isInUse(old)) old.replaceWith(document.adoptNode(replacement));
  }
  return news;
}

function listen() {
  if (!document.body.dataset.position) return;
  const source = new EventSource(`/live?after=${document.body.dataset.position}`);
  let wasLost = false;
  source.addEventListener("open", () => {
    if (!isPaused) showLive("live", true);
    if (wasLost) say("Connected again");
    wasLost = false;
  });
  source.addEventListener("arrived", (event) => receive(JSON.parse(event.data)));
  source.addEventListener("error", () => { wasLost = true; showLive("no connection", false); });
}

/* ---- keys ---- */

const rows = () => findAll(page === "conversation" ? "#turns > .turn" : ".row-link");

/** @param {number} step */
function move(step) {
  const all = rows();
  const at = all.findIndex((each) => each === document.activeElement || each.contains(document.activeElement));
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** @param {number} step */
async function openNeighbour(step) {
  const list = findAll(".row-link", page === "list" ? document : await fetchPage("/")).map((link) => link.getAttribute("href"));
  const next = list[list.indexOf(location.pathname) + step];
  if (next) location.href = next;
}

function toggleSteps() {
  const all = /** @type {HTMLDetailsElement[]} */ (findAll("details.steps"));
  const open = !all.every((each) => each.open);
  all.forEach((each) => { each.open = open; });
}

function showNextProblem() {
  const all = findAll(".problem");
  const next = all.find((each) => each.getBoundingClientRect().top > 120) ?? all[0];
  if (!next) return say("Nothing went wrong here");
  if (next instanceof HTMLDetailsElement) next.open = true;
  next.scrollIntoView({ block: "center" });
}

const chosen = () => find(":target") ?? /** @type {HTMLElement | null} */ (document.activeElement?.closest(".turn") ?? find(".turn:last-of-type"));
/** @param {string} rel */
const follow = (rel) => find(`a[rel=${rel}]`, (document.activeElement?.closest(".turn") ?? document))?.click();

/** @type {Record<string, () => unknown>} */
const keys = {
  "/": () => { const box = find("#search"); if (box) box.focus(); else location.href = "/"; },
  "?": () => /** @type {HTMLDialogElement} */ (find("#help")).showModal(),
  j: () => move(1),
  k: () => move(-1),
  u: () => { location.href = find(".back a")?.getAttribute("href") ?? "/"; },
  n: () => openNeighbour(1),
  p: () => openNeighbour(-1),
  s: toggleSteps,
  e: showNextProblem,
  "[": () => follow("prev"),
  "]": () => follow("next"),
  ".": togglePause,
  y: () => { const id = chosen()?.id; void copy(location.href.split("#")[0] + (id ? `#${id}` : ""), "the link"); },
  c: async () => copy(page === "conversation" ? await (await fetch(`${location.pathname}/text`)).text() : getSelection()?.toString() ?? "", "the text"),
  r: async () => { const link = find("#json"); if (link) void copy(await (await fetch(/** @type {HTMLAnchorElement} */ (link).href)).text(), "the JSON"); },
};
let isAfterG = false;

document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
  if (settings.read("keys") === "off" && event.key !== "?") return;
  if (isAfterG && event.key === "l") { event.preventDefault(); void openLatest(); }
  else if (keys[event.key]) { event.preventDefault(); void keys[event.key](); }
  isAfterG = event.key === "g";
});

async function openLatest() {
  const first = find(".row-link", await fetchPage("/"));
  if (first) location.href = /** @type {string} */ (first.getAttribute("href"));
}

/* ---- start ---- */

/** Open what the address names, however deep it is folded. */
function openTarget() {
  const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  for (let at = target?.closest("details"); at; at = at.parentElement?.closest("details") ?? null) at.open = true;
  if (target?.closest("details")) target.scrollIntoView();
}

find("#theme")?.addEventListener("click", changeTheme);
find("#keys")?.addEventListener("click", () => keys["?"]());
live?.addEventListener("click", togglePause);
const keysOn = /** @type {HTMLInputElement | null} */ (find("#keys-on"));
if (keysOn) {
  keysOn.checked = settings.read("keys") !== "off";
  keysOn.addEventListener("change", () => settings.write("keys", keysOn.checked ? "on" : "off"));
}
for (const select of findAll(".filters select")) select.addEventListener("change", () => /** @type {HTMLSelectElement} */ (select).form?.requestSubmit());
addEventListener("hashchange", openTarget);
openTarget();
listen();
