"use strict";
// What the pages of local servers share: requests, buttons of labels, pictures, keys.

const $ = (id) => document.getElementById(id);
const MOST_LETTERS = 60;
const DIGITS = "1234567890"; // the keys of the first ten labels; others are typed
const count = (number) => number.toLocaleString("en");
// The id of the server's start. Another start refuses this page: its numbers are those of other images.
let start = "";

const address = (path) => `${path}${path.includes("?") ? "&" : "?"}id=${start}`;

// The answer to a request, which is a POST if it has a body.
async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), priority: "high",
    headers: { "Content-Type": "application/json" } };
  const reply = await fetch(address(path), options).catch(() => {
    throw new Error(`${document.documentElement.dataset.command} has ended; run it again and open its new link`);
  });
  const found = await reply.json().catch(() => ({ error: "the server has no answer" }));
  if (!reply.ok) throw new Error(found.error);
  return found;
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// A tile with a picture, from an address unless it is set later; few pixels are drawn as squares.
function tileOf(path, title, properties, ...below) {
  const image = element("img", { decoding: "async", alt: "", draggable: false, ...properties });
  if (path) image.src = address(path);
  image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth < 64));
  image.addEventListener("error", () => image.replaceWith(element("span", {
    textContent: "no picture", className: "note" })));
  const made = element("div", { className: "tile", tabIndex: -1, title },
    element("div", { className: "frame" }, image), ...below, element("div", { className: "note" }));
  made.setAttribute("role", "option");
  return made;
}

// The number of tiles beside each other.
function columns(items) {
  const next = items.findIndex(({ tile }) => tile.offsetTop !== items[0].tile.offsetTop);
  return next < 0 ? items.length : next;
}

// A button for each label; the first ones have a digit as their key.
function showButtons(labels, give) {
  $("labels").replaceChildren(...labels.map((label, i) => {
    const button = element("button", { type: "button", title: label });
    if (i < DIGITS.length) button.append(element("kbd", { textContent: DIGITS[i] }), " ");
    button.append(label);
    button.addEventListener("click", () => give(label));
    return button;
  }));
  $("known").replaceChildren(...labels.map((label) => element("option", { value: label })));
}

// A name within a sentence: short, and with its own direction of writing.
function brief(name) {
  const short = name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS)}…` : name;
  return /^[ -\u024f…]*$/.test(short) ? short : `\u2068${short}\u2069`;
}

// The labels that typed text may mean: the one that is equal but for case, and those that begin with it.
function meant(labels, text) {
  const low = text.toLowerCase();
  return {
    exact: labels.find((label) => label.toLowerCase() === low),
    begins: labels.filter((label) => label.toLowerCase().startsWith(low)),
  };
}

// Keys that are not typed into a field: of an action, of a label, or the first letter of a name for
// `box`. While a dialog is open, its own key closes it, and no other does anything.
function listen(keys, giveLabel, box) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key === " " && event.shiftKey ? "Shift+Space" : event.key;
    const dialog = document.querySelector("dialog[open]");
    if (dialog || key === "F1") {
      if (!["F1", "Shift+Space"].includes(key)) return;
      event.preventDefault();
      if (dialog) dialog.close(); else keys.F1();
      return;
    }
    if (event.target.closest("input, select")) return;
    if (event.target.closest("button") && [" ", "Enter"].includes(key)) return;
    const number = key.length === 1 ? DIGITS.indexOf(key) : -1;
    const act = number >= 0 ? () => giveLabel(number) : keys[key] || keys[key.toLowerCase()];
    if (act) { event.preventDefault(); act(); return; }
    if (key.length === 1 && /\p{L}/u.test(key)) box.focus();
  });
}

// What another tab has changed is shown when this one is used again.
function renew(path, show) {
  const again = async () => {
    if (document.hidden || !start) return;
    try {
      const found = await ask(path);
      if (found.id !== start) throw new Error("another server is open at this address; reload the page");
      show(found);
    } catch (error) {
      report(error.message, true);
    }
  };
  document.addEventListener("visibilitychange", again);
  window.addEventListener("focus", again);
}
