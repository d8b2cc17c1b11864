"use strict";
// Rows are named by their position. A decision counts when the server has replied that it is saved.

const PAGE = 100, NEAR_PIXELS = 800, PREFETCHED = 4;
const SECOND_KEYS = ",."; // the second and third label of a row
const state = {
  table: null, rows: [], total: 0, kind: "doubtful", focus: 0, selected: new Set(), undo: [],
  anchor: 0, single: false, loading: false, view: 0, left: 0, ended: false, waiting: [], unsaved: new Map(),
  asked: "",
};

// Decisions that were not saved stay reported until their rows are decided again.
function report(text, wrong = false) {
  const [found] = state.unsaved.values();
  const lost = state.unsaved.size > 1 ? `${state.unsaved.size} rows not saved` : "not saved";
  $("saved").textContent = [text, found && `${lost}: ${found}`].filter(Boolean).join("; ");
  $("saved").classList.toggle("wrong", wrong || Boolean(found));
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;
const guessOf = (row) => row.guess || "no label left"; // people have excluded every one
const picture = (row, side) => `/pictures/${row.position}?side=${side}`;

// The heading.

// What the version has learned says nothing about how often it is right.
function decidedSoFar({ decided, learned, right, expected }) {
  const judged = decided - learned;
  const without = learned ? `, ${count(learned)} learned by the version, not counted` : "";
  if (!judged) return decided ? `${count(decided)} decided${without}.` : "Nothing decided yet.";
  const asExpected = expected === null ? "" : `, ${percent(expected / judged)} expected`;
  const these = learned ? "the others" : "these";
  return `${count(decided)} decided${without}: ${percent(right / judged)} of ${these} were right${asExpected}.`;
}

function showTotals() {
  const { decided, accuracy } = state.table.totals;
  const left = `${count(state.left)} ${KINDS[state.kind]} left. ${decidedSoFar(state.table.totals)} `;
  const { withdrawn } = state.table;
  if (withdrawn) {
    $("totals").textContent = `${left}No precision is promised: ${withdrawn.why}. ` +
      `The model may not know such images; ${withdrawn.advice}: ${withdrawn.train}`;
    return;
  }
  // Decided rows are no sample: the doubtful ones come first.
  const { others } = state.table;
  $("totals").textContent = left + (others ? `${others}.` : decided
    ? `Of the whole table about ${percent(accuracy)}, if the confidence of the other rows holds.`
    : `About ${percent(accuracy)} of the table should be right.`);
}

function showLabels(labels) {
  state.table.labels = labels;
  showButtons(labels, (label) => assign(() => label));
}

const KINDS = { doubtful: "doubtful", flagged: "flagged", disagreeing: "unlike their folder", all: "all" };

function showKinds() {
  $("kinds").replaceChildren(...Object.entries(KINDS).map(([kind, text]) => {
    const button = element("button", { type: "button", textContent: `${text} ${count(state.table.counts[kind])}` });
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", String(kind === state.kind));
    button.addEventListener("click", () => { state.kind = kind; showKinds(); load(); });
    return button;
  }));
}

// The rows.

// The choice of rows stays in the address, so that a reload keeps it.
function keepChoice() {
  const label = $("by-label").selectedOptions[0].value && $("by-label").selectedOptions[0].text;
  const chosen = { kind: state.kind, label, folder: $("by-folder").value };
  const given = Object.entries(chosen).filter(([, value]) => value);
  history.replaceState(null, "", `#${new URLSearchParams(given)}`);
}

async function load() {
  state.view += 1;
  keepChoice();
  Object.assign(state, { rows: [], total: 0, focus: 0, anchor: 0, loading: false, ended: false });
  state.selected.clear();
  $("grid").replaceChildren();
  await more();
  show();
}

async function more() {
  if (state.loading || (state.rows.length && state.rows.length >= state.total)) return;
  state.loading = true;
  const view = state.view, query = new URLSearchParams({ kind: state.kind, count: PAGE });
  query.set("start", $("open").checked ? state.rows.filter((row) => row.decided === null).length
    : state.rows.length);
  if ($("by-label").value) query.set("label", $("by-label").value);
  if ($("by-folder").value) query.set("folder", $("by-folder").value);
  if ($("open").checked) query.set("open", "1");
  try {
    const found = await ask(`/rows?${query}`);
    if (view !== state.view) return;
    const known = new Set(state.rows.map((row) => row.position));
    const fresh = found.rows.filter((row) => !known.has(row.position));
    if (!state.rows.length) { state.left = found.left; showTotals(); }
    const decided = state.rows.filter((row) => row.decided !== null).length;
    state.total = found.total + ($("open").checked ? decided : 0);
    const first = state.rows.length;
    state.rows.push(...fresh);
    $("grid").append(...fresh.map((row, i) => tile(row, first + i)));
    if (state.ended && fresh.length) focus(next(first - 1));
    $("empty").hidden = state.rows.length > 0;
    $("empty").textContent = "There are no such rows.";
  } catch (error) {
    report(error.message, true);
  } finally {
    if (view === state.view) state.loading = false;
  }
}

function tile(row, index) {
  const bar = element("i", {});
  bar.style.width = percent(row.confidence);
  // Lazy: pictures far below must not delay decisions and rows, which share their connections.
  row.tile = tileOf(picture(row, 192), row.path, { loading: "lazy" },
    element("div", { className: "text" }, element("b", { textContent: guessOf(row) }),
      element("span", { textContent: percent(row.confidence) })),
    element("div", { className: "bar" }, bar),
    ...secondGuesses(row).map(([key, label, p]) => element("div", { className: "text second" },
      element("span", {}, element("kbd", { textContent: key }), ` ${label}`),
      element("span", { textContent: percent(p) }))));
  row.tile.addEventListener("click", (event) => choose(index, event));
  listenLong(row.tile, () => { focus(index); zoomFocused(); });
  row.tile.addEventListener("dblclick", () => { state.focus = index; toggleMode(true); });
  mark(row);
  return row.tile;
}

// The second and third label of a row, with their keys.
function secondGuesses(row) {
  return row.others.slice(0, SECOND_KEYS.length).map(([label, p], i) => [SECOND_KEYS[i], label, p]);
}

function mark(row) {
  const note = row.tile.querySelector(".note:last-child");
  row.tile.classList.toggle("confirmed", row.decided !== null && row.decided === row.guess);
  row.tile.classList.toggle("corrected", row.decided !== null && row.decided !== row.guess);
  const folder = row.folder && row.folder !== row.guess ? `folder: ${row.folder}` : "";
  const known = [folder, ...row.excluded.map((label) => `not ${label}`)].filter(Boolean).join(", ");
  note.textContent = row.decided === null ? known || row.flag.replaceAll("_", " ")
    : row.decided === row.guess ? "✓ confirmed" : `→ ${row.decided}`;
  const others = secondGuesses(row).map(([, label, p]) => `or ${label} ${percent(p)}, `).join("");
  row.tile.setAttribute("aria-label", `row ${row.row}, ${guessOf(row)}, ${percent(row.confidence)}, ${others}` +
    `${note.textContent || "no decision"}`);
}

function show() {
  state.rows.forEach((row, i) => {
    row.tile.tabIndex = i === state.focus ? 0 : -1;
    row.tile.setAttribute("aria-selected", String(state.selected.has(i)));
  });
  const focused = state.rows[state.focus];
  for (const [rank, id] of ["second", "third"].entries()) $(id).hidden = !focused || !focused.others[rank];
  if (state.single) showLarge();
}

function showLarge() {
  const row = state.rows[state.focus];
  $("single").hidden = !row;
  if (!row) return;
  const image = $("large");
  if (image.dataset.position !== String(row.position)) {
    image.dataset.position = row.position;
    image.src = address(picture(row, 768));
    image.alt = `row ${row.row}`;
    image.classList.toggle("pixels", false);
    image.onload = () => image.classList.toggle("pixels", image.naturalWidth < 128);
  }
  for (const next of state.rows.slice(state.focus + 1, state.focus + 1 + PREFETCHED)) {
    new Image().src = address(picture(next, 768));
  }
  const others = row.others.flatMap(([label, p], i) => [
    ", ", ...(SECOND_KEYS[i] ? [element("kbd", { textContent: SECOND_KEYS[i] }), " "] : []), `${label} ${percent(p)}`]);
  const decided = row.decided === null ? "no decision yet" : `decided: ${row.decided}`;
  $("caption").replaceChildren(
    element("b", { textContent: `${guessOf(row)} ${percent(row.confidence)}` }),
    ...others, ` — ${decided}`, element("br"),
    element("span", { className: "keys", textContent: `row ${row.row}: ${row.path}` }));
}

function toggleMode(single) {
  state.single = single;
  $("mode").setAttribute("aria-pressed", String(single));
  $("grid").hidden = single;
  $("single").hidden = !single;
  state.selected.clear();
  focus(state.focus);
}

function zoomFocused() {
  const row = state.rows[state.focus];
  if (!row) return;
  zoom(row.tile, `/pictures/${row.position}`, `row ${row.row}: ${row.path}`);
}

// Back from one picture to many; among these, nothing is selected any more.
function escape() {
  if (state.single) { toggleMode(false); return; }
  state.selected.clear();
  show();
}

function choose(index, event) {
  if (event.shiftKey) {
    const [a, b] = [state.anchor, index].sort((x, y) => x - y);
    for (let i = a; i <= b; i += 1) state.selected.add(i);
  } else {
    if (state.selected.has(index)) state.selected.delete(index); else state.selected.add(index);
    state.anchor = index;
  }
  focus(index);
}

function focus(index) {
  state.ended = false;
  state.focus = Math.max(0, Math.min(index, state.rows.length - 1));
  show();
  const row = state.rows[state.focus];
  if (row) (state.single ? $("single") : row.tile).focus({ preventScroll: false });
  if (state.rows.length - state.focus < PAGE) more();
}

// Keys.

const KEYS = {
  Enter: confirmGuess,
  [SECOND_KEYS[0]]: () => assignSecond(0),
  [SECOND_KEYS[1]]: () => assignSecond(1),
  Backspace: undo,
  u: undo,
  g: () => toggleMode(!state.single),
  "/": () => $("filter").focus(),
  " ": () => { if (!state.single) choose(state.focus, {}); },
  "Shift+Space": zoomFocused,
  F1: () => showKeys(),
  Escape: escape,
  ArrowRight: () => focus(state.focus + 1),
  ArrowLeft: () => focus(state.focus - 1),
  ArrowDown: () => focus(state.focus + (state.single ? 1 : columns(state.rows))),
  ArrowUp: () => focus(state.focus - (state.single ? 1 : columns(state.rows))),
};

function assignNumbered(number) {
  if (number < state.table.labels.length) assign(() => state.table.labels[number]);
}

// Enter takes a label that is typed whole, or the only one that begins like it. A second Enter adds
// what is typed as a new label; where one label begins like it, after Shift-Enter.
function typed(event) {
  const box = $("filter"), text = box.value.trim();
  if (event.key === "Escape") { box.value = ""; focus(state.focus); }
  if (event.key !== "Enter" || !text) return;
  event.preventDefault();
  const { exact, begins } = meant(state.table.labels, text);
  const only = begins.length === 1 && !event.shiftKey ? begins[0] : null;
  const found = exact || (state.asked === text ? text : only);
  state.asked = found ? "" : text;
  if (!found) {
    report(begins.length > 1 ? `which one: ${begins.join(", ")}? Enter again adds ${text}`
      : `${text} is a new label; Enter again adds it`, true);
    return;
  }
  box.value = "";
  assign(() => found);
}

async function begin() {
  state.table = await ask("/table");
  const { id, name, model, images, labels, folders } = state.table;
  start = id;
  $("title").textContent = `${name} — ${count(images)} images, ${model}`;
  document.title = `Review ${name}`;
  $("by-label").append(...labels.map((label, i) => element("option", { value: i, textContent: label })));
  $("by-folder").append(...folders.map((folder) => element("option", { value: folder, textContent: folder })));
  showLabels(labels);
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.get("kind") in KINDS) state.kind = wanted.get("kind");
  if (wanted.has("label")) $("by-label").value = labels.indexOf(wanted.get("label"));
  if (wanted.has("folder")) $("by-folder").value = wanted.get("folder");
  showKinds();
  for (const id of ["by-label", "by-folder", "open"]) $(id).addEventListener("change", load);
  $("mode").addEventListener("click", () => toggleMode(!state.single));
  $("confirm").addEventListener("click", confirmGuess);
  $("second").addEventListener("click", () => assignSecond(0));
  $("third").addEventListener("click", () => assignSecond(1));
  $("undo").addEventListener("click", undo);
  $("all-keys").addEventListener("click", KEYS.F1);
  $("filter").addEventListener("keydown", typed);
  listen(KEYS, assignNumbered, $("filter"));
  renew("/table", ({ totals, labels: known }) => { state.table.totals = totals; showTotals(); showLabels(known); });
  document.querySelector("main").addEventListener("scroll", (event) => {
    const { scrollTop, clientHeight, scrollHeight } = event.target;
    if (scrollHeight - scrollTop - clientHeight < NEAR_PIXELS) more();
  });
  await load();
  focus(0);
}

begin().catch((error) => report(error.message, true));
