// The rows of a table, in views: each decision is saved at once, in its order.

const PAGE = 100, NEAR_PIXELS = 800, PREFETCHED = 4;
const SECOND_KEYS = ",."; // the second and third label of a row
const KINDS = { doubtful: "doubtful", flagged: "flagged", disagreeing: "unlike their folder", all: "all" };
// `waiting`: decisions that are not saved yet, each of some rows. `ended`: the last row is decided.
Object.assign(state, { counts: {}, total: 0, kind: "doubtful", anchor: 0, loading: false, view: 0, left: 0, ended: false, waiting: [] });
let saving = Promise.resolve();

const percent = (share) => `${(100 * share).toFixed(1)}%`;
const guessOf = (row) => row.guess || "no label left"; // people have excluded every one
const labelOf = (row) => (row.decided ? row.decided.label : null);

// The heading.

function showHeading() {
  $("totals").textContent = `${count(state.left)} ${KINDS[state.kind]} left. ${state.heading}`;
}

function showKinds() {
  $("kinds").replaceChildren(...Object.entries(KINDS).map(([kind, text]) => {
    const button = keyed("", `${text} ${count(state.counts[kind])}`, () => { state.kind = kind; showKinds(); load(); });
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", String(kind === state.kind));
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
  Object.assign(state, { items: [], total: 0, focus: 0, anchor: 0, loading: false, ended: false });
  state.chosen.clear();
  $("grid").replaceChildren();
  await more();
  show();
}

async function more() {
  if (state.loading || (state.items.length && state.items.length >= state.total)) return;
  state.loading = true;
  const view = state.view, open = $("open").checked, decided = state.items.filter(labelOf).length;
  const query = new URLSearchParams({ kind: state.kind, count: PAGE, start: state.items.length - (open ? decided : 0) });
  if ($("by-label").value) query.set("label", $("by-label").value);
  if ($("by-folder").value) query.set("folder", $("by-folder").value);
  if (open) query.set("open", "1");
  try {
    const found = await ask(`/items?${query}`);
    if (view !== state.view) return;
    const known = new Set(state.items.map(({ item }) => item)), first = state.items.length;
    const fresh = found.items.filter(({ item }) => !known.has(item));
    if (!first) { state.left = found.left; showHeading(); }
    state.total = found.total + (open ? state.items.filter(labelOf).length : 0);
    state.items.push(...fresh);
    // Lazy: pictures far below must not delay decisions and rows, which share their connections.
    $("grid").append(...fresh.map((row, i) => tile(row, first + i, `/pictures/${row.item}?side=${SIDES[0]}`, { loading: "lazy" })));
    fresh.forEach(showRow);
    if (state.ended && fresh.length) focus(next(first - 1));
    $("empty").hidden = state.items.length > 0;
    $("empty").textContent = "There are no such rows.";
  } catch (error) {
    report(error.message, true);
  } finally {
    if (view === state.view) state.loading = false;
  }
}

function parts(row) {
  const bar = element("i", {});
  bar.style.width = percent(row.confidence);
  return [element("div", { className: "text" }, element("b", { textContent: guessOf(row) }),
    element("span", { textContent: percent(row.confidence) })), element("div", { className: "bar" }, bar),
  ...seconds(row).map(([key, label, p]) => element("div", { className: "text second" },
    element("span", {}, element("kbd", { textContent: key }), ` ${label}`), element("span", { textContent: percent(p) })))];
}

// The second and third label of a row, with their keys.
const seconds = ({ others }) => others.slice(0, SECOND_KEYS.length).map(([label, p], i) => [SECOND_KEYS[i], label, p]);

function showRow(row) {
  const note = noteOf(row), decided = labelOf(row);
  row.tile.classList.toggle("confirmed", decided !== null && decided === row.guess);
  row.tile.classList.toggle("corrected", decided !== null && decided !== row.guess);
  const folder = row.folder && row.folder !== row.guess ? `folder: ${row.folder}` : "";
  const known = [folder, ...row.excluded.map((label) => `not ${label}`)].filter(Boolean).join(", ");
  note.textContent = decided === null ? known || row.flag.replaceAll("_", " ") : decided === row.guess ? "✓ confirmed" : `→ ${decided}`;
  const others = seconds(row).map(([, label, p]) => `or ${label} ${percent(p)}, `).join("");
  row.tile.setAttribute("aria-label", `row ${row.row}, ${guessOf(row)}, ${percent(row.confidence)}, ${others}` +
    `${note.textContent || "no decision"}`);
}

function show() {
  showFocus();
  for (const [rank, id] of ["second", "third"].entries()) $(id).hidden = !focused() || !focused().others[rank];
  if (!$("grid").hidden) return;
  $("single").hidden = !focused();
  if (focused()) showLarge(focused());
}

function showLarge(row) {
  const image = $("large"), picture = ({ item }) => address(`/pictures/${item}?side=768`);
  if (image.dataset.item !== String(row.item)) {
    image.dataset.item = row.item;
    Object.assign(image, { src: picture(row), alt: `row ${row.row}` });
    image.classList.toggle("pixels", false);
    image.onload = () => image.classList.toggle("pixels", image.naturalWidth < 128);
  }
  for (const later of state.items.slice(state.focus + 1, state.focus + 1 + PREFETCHED)) new Image().src = picture(later);
  const others = row.others.flatMap(([label, p], i) => [
    ", ", ...(SECOND_KEYS[i] ? [element("kbd", { textContent: SECOND_KEYS[i] }), " "] : []), `${label} ${percent(p)}`]);
  $("caption").replaceChildren(
    element("b", { textContent: `${guessOf(row)} ${percent(row.confidence)}` }),
    ...others, ` — ${labelOf(row) === null ? "no decision yet" : `decided: ${labelOf(row)}`}`, element("br"),
    element("span", { className: "keys", textContent: `row ${row.row}: ${row.path}` }));
}

function toggleSingle(single) {
  $("mode").setAttribute("aria-pressed", String(single));
  $("grid").hidden = single;
  $("single").hidden = !single;
  state.chosen.clear();
  focus(state.focus);
}

// Back from one picture to many; among these, nothing is selected any more.
function escape() {
  if ($("grid").hidden) { toggleSingle(false); return; }
  state.chosen.clear();
  show();
}

function click(index, { shiftKey }) {
  if (shiftKey) {
    const [a, b] = [state.anchor, index].sort((x, y) => x - y);
    for (const { item } of state.items.slice(a, b + 1)) state.chosen.add(item);
  } else {
    const { item } = state.items[index];
    if (!state.chosen.delete(item)) state.chosen.add(item);
    state.anchor = index;
  }
  focus(index);
}

function moved() {
  state.ended = false;
  if (state.items.length - state.focus < PAGE) more();
}

// Decisions.

function current() {
  const chosen = state.items.filter(({ item }) => state.chosen.has(item));
  return chosen.length ? chosen : [focused()].filter(Boolean);
}

function set(row, decided) {
  state.left += (row.decided !== null) - (decided !== null);
  row.decided = decided;
  showRow(row);
}

function decide(pairs) {
  const decision = { pairs, before: pairs.map(([row]) => [row, row.decided]) };
  state.waiting.push(decision);
  for (const [row, label] of pairs) set(row, { kind: "label", label });
  show();
  report("saving …");
  saving = saving.then(() => save(decision));
}

async function save({ pairs, before }) {
  const body = { decisions: pairs.map(([{ item }, label]) => ({ item, kind: "label", label })) };
  let reply = { refused: [], changed: {} }, lost = null;
  try {
    reply = await ask("/decisions", body);
  } catch (error) {
    lost = error.message;
  }
  state.waiting.shift();
  const refused = new Map(reply.refused.map(({ item, why }) => [item, why])), later = laterRows();
  for (const [row, decided] of before) {
    const why = lost ?? refused.get(row.item);
    state.unsaved.delete(row.item);
    if (why === undefined) continue;
    state.unsaved.set(row.item, why);
    if (!later.has(row)) set(row, decided);
  }
  showSaved(reply);
  const saved = lost === null ? pairs.length - refused.size : 0;
  report(state.waiting.length ? "saving …" : !saved ? "" : saved === 1 ? "saved" : `saved ${saved}`);
  show();
}

// Rows with a later decision are marked when that is saved.
const laterRows = () => new Set(state.waiting.flatMap(({ pairs }) => pairs.map(([row]) => row)));

// Equal files share a decision.
function showSaved({ changed, labels = state.labels, heading = state.heading }) {
  const later = laterRows();
  for (const row of state.items) if (row.item in changed && !later.has(row)) set(row, changed[row.item]);
  showFacts({ labels, heading });
}

// The next row without a decision; the last one if there is none.
function next(from) {
  const found = state.items.findIndex((row, i) => i > from && row.decided === null);
  return found < 0 ? state.items.length - 1 : found;
}

// `choose` gives the label of a row.
function assign(choose) {
  // Keys that were pressed too often, or faster than rows arrive, must not change the last row.
  if (state.ended) {
    report(state.items.length < state.total ? "more rows are loading …" : "this was the last row");
    return;
  }
  const rows = current();
  if (!rows.length) return;
  decide(rows.map((row) => [row, choose(row)]));
  const last = Math.max(state.focus, ...rows.map((row) => state.items.indexOf(row)));
  state.chosen.clear();
  focus(next(last));
  state.ended = Boolean(focused()) && focused().decided !== null;
}

const give = (label) => assign(() => label);

function giveNumbered(number) {
  if (number < state.labels.length) give(state.labels[number]);
}

function confirm() {
  if (current().every((row) => row.guess)) assign((row) => row.guess);
  else report("no label is left to confirm: type one");
}

function assignSecond(rank) {
  if (current().every((row) => row.others[rank])) assign((row) => row.others[rank][0]);
  else report(`the job has no ${rank ? "third" : "second"} label for each image`);
}

// The first row that is changed may be none of those on display.
function undo() {
  saving = saving.then(async () => {
    const reply = await ask("/undo", {});
    if (!reply) { report("nothing to undo"); return; }
    showSaved(reply);
    const { items: [row], total } = reply.page, label = labelOf(row);
    report(total > 1 ? `taken back ${total}` : `taken back: row ${row.row} ${label === null ? "has no decision" : `is ${label} again`}`);
    const index = state.items.findIndex(({ item }) => item in reply.changed);
    if (index >= 0) focus(index); else show();
  }).catch((error) => report(error.message, true));
}

const KEYS = [
  ["1 – 9 0", "give a label"],
  ["A – Z /", "type a label, but for G and U; Enter gives it"],
  ["Space", "select the picture, or not", () => { if (!$("grid").hidden) click(state.focus, {}); }],
  ["Enter", "confirm the label", confirm, ["confirm", "confirm"]],
  [",", "give its second guess", () => assignSecond(0), ["second", "second guess"]],
  [".", "give its third guess", () => assignSecond(1), ["third", "third guess"]],
  ["G", "one picture, or many", () => toggleSingle(!$("grid").hidden)],
  ["Backspace U", "take the last decision back, then the one before it", undo, ["undo", "undo"]],
  ["Esc", "back from one picture; clear the selection", escape],
];

function typed(event) {
  if (event.key === "Escape") { $("name").value = ""; focus(state.focus); }
  if (event.key !== "Enter") return;
  event.preventDefault();
  const label = takeTyped({ isNew: event.shiftKey, asks: true });
  if (label) give(label);
}

async function begin(facts) {
  const { labels, choices: { counts, folders } } = facts;
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.get("kind") in KINDS) state.kind = wanted.get("kind");
  state.counts = counts;
  $("choices").hidden = false;
  $("by-label").append(...labels.map((label, i) => element("option", { value: i, textContent: label })));
  $("by-folder").append(...folders.map((folder) => element("option", { value: folder, textContent: folder })));
  if (wanted.has("label")) $("by-label").value = labels.indexOf(wanted.get("label"));
  if (wanted.has("folder")) $("by-folder").value = wanted.get("folder");
  showKinds();
  showFacts(facts);
  for (const id of ["by-label", "by-folder", "open"]) $(id).addEventListener("change", load);
  $("mode").addEventListener("click", () => toggleSingle(!$("grid").hidden));
  $("name").addEventListener("keydown", typed);
  document.querySelector("main").addEventListener("scroll", (event) => {
    const { scrollTop, clientHeight, scrollHeight } = event.target;
    if (scrollHeight - scrollTop - clientHeight < NEAR_PIXELS) more();
  });
  await load();
  focus(0);
}
