"use strict";
// A page: requests, pictures, labels, names that are typed, keys. Its queue's script follows, and has
// KEYS, `begin`, `show`, `moved` the focus, `give` and `giveNumbered` a label, `click` a picture, the
// `parts` of its tile.
// Items are named by their number. A decision counts when the server has replied that it is saved.

const $ = (id) => document.getElementById(id);
const MOST_LETTERS = 60;
const DIGITS = "1234567890"; // the keys of the first ten labels; others are typed
const SIDES = [192, 384, 768, 1536]; // of pictures, in pixels, as the server makes them
const SHARP_ENOUGH = 0.9;
const LONG_MS = 500, STILL_PIXELS = 10; // of a long press
const NAMES = { " ": "Space", Escape: "Esc", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
// `chosen`: the numbers of pictures that were clicked. `asked`: a typed name that a second Enter adds.
// `unsaved`: why decisions about items were not saved.
const state = { items: [], focus: 0, chosen: new Set(), labels: [], asked: "", unsaved: new Map() };
const acts = {}; // by key
// The id of the server's start. Another start refuses this page: its numbers are those of other images.
let start = "", command = "the command";
let press = null; // the pointer that is down on a picture, until it moves or comes up
let wasLong = false; // the click that ends a long press is none

const count = (number) => number.toLocaleString("en");
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
const address = (path) => `${path}${path.includes("?") ? "&" : "?"}id=${start}`;
const focused = () => state.items[state.focus];

// The answer to a request, which is a POST if it has a body.
async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), priority: "high",
    headers: { "Content-Type": "application/json" } };
  const reply = await fetch(address(path), options).catch(() => {
    throw new Error(`${command} has ended; run it again and open its new link`);
  });
  const found = await reply.json().catch(() => ({ error: "the server has no answer" }));
  if (!reply.ok) throw new Error(found.error);
  return found;
}

// Decisions that were not saved stay reported until their items are decided again.
function report(text, wrong = false) {
  const [found] = state.unsaved.values();
  const lost = state.unsaved.size > 1 ? `${state.unsaved.size} rows not saved` : "not saved";
  $("saved").textContent = [text, found && `${lost}: ${found}`].filter(Boolean).join("; ");
  $("saved").classList.toggle("wrong", wrong || Boolean(found));
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// A button with its key.
function keyed(key, text, act, properties = {}) {
  const made = element("button", { type: "button", ...properties }, ...(key ? [element("kbd", { textContent: key }), " "] : []), text);
  made.addEventListener("click", () => act());
  return made;
}

// Pictures.

// The tile of an item with its picture, from an address unless it is set later; few pixels are drawn as
// squares.
function tile(item, index, path = "", properties = {}) {
  const image = element("img", { decoding: "async", alt: "", draggable: false, ...properties });
  if (path) image.src = address(path);
  image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth < 64));
  image.addEventListener("error", () => image.replaceWith(element("span", {
    textContent: "no picture", className: "note" })));
  item.tile = element("div", { className: "tile", tabIndex: -1, title: item.path },
    element("div", { className: "frame" }, image), ...parts(item, index), element("div", { className: "note" }));
  item.tile.setAttribute("role", "option");
  item.tile.addEventListener("click", (event) => click(index, event));
  listenLong(item.tile, () => { focus(index); zoom(); });
  return item.tile;
}

const noteOf = (item) => item.tile.querySelector(".note:last-child");

function showFocus() {
  state.items.forEach((item, i) => {
    item.tile.classList.toggle("current", i === state.focus);
    item.tile.tabIndex = i === state.focus ? 0 : -1;
    if (item.tile.getAttribute("role") === "option") item.tile.setAttribute("aria-selected", String(state.chosen.has(item.item)));
  });
}

function focus(index) {
  state.focus = Math.max(0, Math.min(index, state.items.length - 1));
  show();
  if (focused()) ($("single").hidden ? focused().tile : $("single")).focus();
  moved();
}

// The number of tiles beside each other.
function columns() {
  if (!$("single").hidden) return 1;
  const next = state.items.findIndex(({ tile: one }) => one.offsetTop !== state.items[0].tile.offsetTop);
  return next < 0 ? state.items.length : next;
}

// The smallest side that is sharp where a picture has this number of CSS pixels.
function sharpSide(pixels) {
  return SIDES.find((side) => side >= SHARP_ENOUGH * pixels * devicePixelRatio) || SIDES[SIDES.length - 1];
}

// The focused picture as large as the window allows; that of its tile until it is there.
function zoom() {
  if (!focused()) return;
  const { item, path, row, tile: one } = focused(), small = one.querySelector("img"), large = new Image();
  const title = row ? `row ${row}: ${path}` : path;
  Object.assign($("zoomed"), { src: small ? small.src : "", alt: title });
  large.addEventListener("load", () => {
    $("zoomed").src = large.src;
    $("zoomed").classList.toggle("pixels", large.naturalWidth < 128);
  });
  large.src = address(`/pictures/${item}?side=${sharpSide(Math.max(innerWidth, innerHeight))}`);
  $("zoomed-path").textContent = title;
  $("zoom").showModal();
}

// Has a long press on a tile call `act`.
function listenLong(one, act) {
  const end = () => { if (press) clearTimeout(press.timer); press = null; };
  one.addEventListener("pointerdown", (event) => {
    end();
    wasLong = false;
    if (event.button) return;
    const timer = setTimeout(() => { press = null; wasLong = true; act(); }, LONG_MS);
    press = { timer, x: event.clientX, y: event.clientY };
  });
  one.addEventListener("pointermove", (event) => {
    if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > STILL_PIXELS) end();
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) one.addEventListener(name, end);
  one.addEventListener("contextmenu", (event) => { if (press || wasLong) event.preventDefault(); });
}

// Labels.

// A button for each label; the first ones have a digit as their key.
function showLabels(labels) {
  state.labels = labels;
  $("labels").replaceChildren(...labels.map((label, i) => keyed(DIGITS[i], label, () => give(label), { title: label })));
  $("known").replaceChildren(...labels.map((label) => element("option", { value: label })));
}

// A name within a sentence: short, and with its own direction of writing.
function brief(name) {
  const short = name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS)}…` : name;
  return /^[ -\u024f…]*$/.test(short) ? short : `\u2068${short}\u2069`;
}

// Takes what is typed: a label that is typed whole, or the only one that begins like it, or a new one:
// that needs a second Enter if several begin like it, or each one does (`asks`). Returns the label, "" if
// nothing is typed, null as long as it is not clear which.
function takeTyped({ isEntered = true, isNew = false, asks = false }) {
  const text = $("name").value.trim(), low = text.toLowerCase();
  if (!text) return "";
  const begins = state.labels.filter((label) => label.toLowerCase().startsWith(low));
  const exact = begins.find((label) => label.toLowerCase() === low);
  const isAsked = isEntered && state.asked === text;
  const only = begins.length === 1 && !isNew ? begins[0] : "";
  const isClear = isAsked || (!asks && (isNew || !begins.length));
  const found = exact || (isAsked ? text : only) || (isClear ? text : null);
  if (found === null && isEntered) {
    report(begins.length > 1 ? `which one: ${begins.join(", ")}? Enter again adds ${text}`
      : `${text} is a new label; Enter again adds it`, true);
  }
  if (isEntered || found) state.asked = found ? "" : text;
  if (found) $("name").value = "";
  return found;
}

// Keys.

// KEYS has a line for each key: its name, what it does in words, its act, and of a button id and text.
// Some lines have several keys, with an act for all or for each.
function showKeys() {
  const common = [["Shift+Space", "the picture large; so does a long press", zoom],
    ["← → ↑ ↓", "move", [-1, 1, 0, 0].map((step, i) => () => focus(state.focus + (step || (i === 2 ? -1 : 1) * columns())))],
    ["F1", "these keys", () => $("keys").showModal()]];
  const keyOf = Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [name, key]));
  for (const [keys, words, act, button] of [...KEYS, ...common]) {
    const names = keys.split(" ");
    const shown = names.flatMap((name) => [name === "–" ? name : element("kbd", { textContent: name }), " "]);
    const head = element("th", {}, ...shown);
    head.setAttribute("scope", "row");
    $("key-rows").append(element("tr", {}, head, element("td", { textContent: words })));
    names.forEach((name, i) => { if (act) acts[keyOf[name] || name] = act[i] || act; });
    if (button) $("buttons").append(keyed(keys.split(" ")[0], button[1], act, { id: button[0] }));
  }
  acts["/"] = () => $("name").focus();
  $("all-keys").addEventListener("click", acts.F1);
}

// Keys that are not typed into a field: of an action, of a label, or the first letter of a name.
// While a dialog is open, its own key closes it, and no other does anything.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !start) return;
  const key = event.key === " " && event.shiftKey ? "Shift+Space" : event.key;
  const dialog = document.querySelector("dialog[open]");
  if (dialog || key === "F1") {
    if (!["F1", "Shift+Space"].includes(key)) return;
    event.preventDefault();
    if (dialog) dialog.close(); else acts.F1();
    return;
  }
  if (event.target.closest("input, select")) return;
  if (event.target.closest("button") && [" ", "Enter"].includes(key)) return;
  const number = key.length === 1 ? DIGITS.indexOf(key) : -1;
  const act = number >= 0 ? () => giveNumbered(number) : acts[key] || acts[key.toUpperCase()];
  if (act) { event.preventDefault(); act(); return; }
  if (key.length === 1 && /\p{L}/u.test(key)) $("name").focus();
});

for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", () => dialog.close());
document.addEventListener("click", (event) => {
  if (!wasLong) return;
  wasLong = false;
  event.stopPropagation();
}, true);

// What another tab has changed is shown when this one is used again.
async function renew() {
  if (document.hidden || !start) return;
  try {
    const found = await ask("/facts");
    if (found.id !== start) throw new Error("another server is open at this address; reload the page");
    showFacts(found);
    show();
  } catch (error) {
    report(error.message, true);
  }
}
document.addEventListener("visibilitychange", renew);
window.addEventListener("focus", renew);

// What each reply has, too.
function showFacts({ labels, heading }) {
  if (labels.join("\n") !== state.labels.join("\n")) showLabels(labels);
  state.heading = heading;
  showHeading();
}

addEventListener("DOMContentLoaded", async () => {
  try {
    const facts = await ask("/facts");
    command = facts.command;
    const word = command.split(" ")[1];
    document.body.classList.add(word);
    document.title = `${word[0].toUpperCase()}${word.slice(1)} ${facts.name}`;
    $("title").textContent = facts.title;
    showKeys();
    start = facts.id;
    await begin(facts);
  } catch (error) {
    report(error.message, true);
  }
});
