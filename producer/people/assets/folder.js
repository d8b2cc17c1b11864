// The images of a folder, page after page: what a person says of one is saved together.

const LEAST_LIKELY = 0.5; // of a label that is proposed, in the mean of the pictures
const PASSED = 200; // pictures of skipped pages that come later: the last ones
const SMALLEST = 120; // pixels of a picture's side; where all are smaller, the page scrolls
const GAP = 8; // as in page.css
// `name`: the label that Enter confirms. `marks`: what the person has said about items of this page, by
// their number; those that are chosen do not have the name. `before`: the page before pictures most
// like one, or those of a label, as it was.
Object.assign(state, { page: null, name: "", marks: new Map(), passed: new Set(), busy: false, before: null });

// The pictures.

// The label that Enter confirms: none if it is less likely than all others together, in the mean.
function proposed({ why, label, items }) {
  const likely = items.reduce((sum, { confidence }) => sum + confidence, 0);
  return why === "together" || likely >= LEAST_LIKELY * items.length ? label : "";
}

function showPage(page) {
  Object.assign(state, { page, items: page.items, name: proposed(page), focus: 0, busy: false });
  state.chosen.clear();
  state.marks.clear();
  $("name").value = ""; // typed for the page before
  setRoles(isNaming());
  $("grid").replaceChildren(...page.items.map((item, i) => tile(item, i)));
  if (isNaming()) for (const item of page.items) item.tile.setAttribute("role", "group");
  $("empty").hidden = page.why !== "end";
  $("empty").textContent = "Every image is decided. Ctrl-C at the command shows what comes next.";
  show();
  layOut();
  focus(0);
}

function keepPage() {
  const { page, name, focus: place, chosen, marks } = state;
  state.before ??= { page, place, name, chosen: new Set(chosen), marks: new Map(marks) };
}

function showKept() {
  const { page, place, ...rest } = state.before;
  showPage(page);
  Object.assign(state, { ...rest, before: null });
  focus(place);
}

// On a page of namings a picture has buttons, which no option of a list may have.
function setRoles(naming) {
  $("grid").setAttribute("role", naming ? "group" : "listbox");
  $("grid").toggleAttribute("aria-multiselectable", false);
  if (!naming) $("grid").setAttribute("aria-multiselectable", "true");
  $("labels").classList.toggle("plain", naming); // its digits are those of the guesses
}

function parts(item, index) {
  const more = item.images > 1 ? `${item.images} alike` : "";
  return [element("div", { className: "text" }, element("b", {}), element("span", { className: "stack", textContent: more })),
    ...(isNaming() ? [guesses(item, index)] : [])];
}

function click(index) {
  if (!isNaming()) clickAway(index);
  focus(index);
}

// Tiles as large as the page allows: the columns with which pictures are largest, and their side, where
// all tiles fit; a tile has `beside` and `below` pixels more than its picture.
function fitting(number, width, height, beside, below) {
  const wide = (some) => (width + GAP) / some - GAP - beside;
  const high = (some) => (height + GAP) / Math.ceil(number / some) - GAP - below;
  const all = Array.from({ length: number }, (_, i) => i + 1);
  const found = all.map((some) => ({ some, side: Math.floor(Math.min(wide(some), high(some))) }));
  const best = found.reduce((one, other) => (other.side > one.side ? other : one));
  if (best.side >= SMALLEST) return best;
  const some = all.findLast((one) => wide(one) >= SMALLEST) || 1;
  return { some, side: Math.floor(wide(some)) };
}

function layOut() {
  if (!state.items.length) return;
  const frames = state.items.map(({ tile: one }) => [one, one.querySelector(".frame")]);
  const main = document.querySelector("main"), { paddingLeft, paddingTop } = getComputedStyle(main);
  const beside = frames[0][0].offsetWidth - frames[0][1].offsetWidth;
  const below = Math.max(...frames.map(([one, frame]) => one.offsetHeight - frame.offsetHeight));
  const { some, side } = fitting(frames.length, main.clientWidth - 2 * parseFloat(paddingLeft),
    main.clientHeight - 2 * parseFloat(paddingTop), beside, below);
  $("grid").style.gridTemplateColumns = `repeat(${some}, ${side + beside}px)`;
  for (const { item, tile: { firstChild: frame } } of state.items) sharpen(frame.querySelector("img"), item, side);
}

// Loads a picture that is sharp at this side, unless a larger one is there.
function sharpen(image, item, side) {
  const wanted = sharpSide(side);
  if (!image || Number(image.dataset.side || 0) >= wanted) return;
  image.dataset.side = wanted;
  image.src = address(`/pictures/${item}?side=${wanted}`);
}

// What Enter would save about an item: null is nothing.
function answer(item) {
  if (state.marks.has(item.item)) return state.marks.get(item.item);
  const { why } = state.page, away = state.chosen.has(item.item);
  if (why === "together") return away ? awayTogether(item) : null;
  if (isNaming() || (why === "similar" && item.decided)) return null;
  const label = state.name || (why === "chance" ? item.guess : "");
  return label ? { kind: away ? "not-this" : "label", label } : null;
}

function show() {
  showFocus();
  $("question").textContent = question();
  $("name").placeholder = !state.chosen.size ? "type it" : isUnnamed() ? "of the others" : "those away";
  for (const item of state.items) {
    const given = state.marks.get(item.item), away = state.chosen.has(item.item), would = answer(item);
    const text = item.tile.querySelector("b"), note = noteOf(item);
    text.textContent = given || (away && would) ? "" : would ? words(would) : item.decided ? words(item.decided) : "";
    note.textContent = given ? `→ ${words(given)}` : away ? (would ? `→ ${words(would)}` : "not this") : seen(item, would);
    item.tile.classList.toggle("named", Boolean(given));
    item.tile.classList.toggle("away", away);
    const sure = item.confidence ? `, looks like ${item.guess} (${percent(item.confidence)})` : "";
    item.tile.setAttribute("aria-label", `${item.path}${sure}, ${note.textContent || text.textContent || "no label"}`);
  }
  for (const button of $("labels").children) {
    button.classList.toggle("chosen", state.name !== "" && button.lastChild.textContent === state.name);
  }
  for (const id of ["confirm", "skip", "left-out", "cannot-tell", "similar"]) $(id).disabled = !state.items.length;
}

// What is known of a picture about which nothing is said on this page.
function seen(item, would) {
  if (item.taken_back && !would) return `was ${words(item.taken_back)}`;
  if (!item.decided || would) return "";
  if (!together) return "✓ decided";
  return item.guess && item.guess !== item.decided.label ? `like ${item.guess} (${percent(item.confidence)})` : "";
}

// A name that is still in the field is first given to the page; where it has one, Enter gives it to
// the pictures that were clicked away.
function clickAway(index) {
  const item = state.items[index];
  if (!item) return;
  if (isNaming()) { state.marks.delete(item.item); show(); return; }
  if (state.page.why !== "together" && (isUnnamed() || !state.chosen.size)) giveTyped({ isEntered: false });
  if (!state.marks.delete(item.item) && !state.chosen.delete(item.item)) state.chosen.add(item.item);
  show();
}

// Decisions.

// Whether pictures have no name that Enter would confirm, and were not clicked away.
function isUnnamed() {
  const { why } = state.page;
  return why !== "together" && !isNaming() && state.items.some((item) =>
    !state.chosen.has(item.item) && !answer(item) && !(why === "similar" && item.decided));
}

// A label for the page as long as it has none, then for the pictures that were clicked away; without
// any, for the whole page; of pictures that chance drew, for the focused one. Returns whether some
// have it.
function give(label) {
  if (isNaming()) { answerOne({ kind: "label", label }); return true; }
  const marked = !isUnnamed() && (mark({ kind: "label", label }) || markDrawn({ kind: "label", label }));
  const named = !marked && state.page.why !== "together";
  if (named) state.name = label;
  focus(state.focus);
  return marked || named;
}

function giveNumbered(number) {
  if (isNaming()) { answerNumbered(number); return; }
  if (number < state.labels.length) give(state.labels[number]);
}

// Gives what is typed; returns whether nothing is left to give.
function giveTyped(how) {
  const label = takeTyped(how);
  if (label) report("");
  return label === "" || (label !== null && give(label));
}

function mark(decision, all = false) {
  if (isNaming()) { answerOne(decision); return true; }
  const chosen = state.items.filter(({ item }) => state.chosen.has(item));
  const one = state.page.why === "together"; // a mistake would change the whole page of a label
  const some = chosen.length || !all || one ? chosen : state.items;
  if (one && !some.length) report("click the wrong ones away first", true);
  for (const { item } of some) {
    state.marks.set(item, decision);
    state.chosen.delete(item);
  }
  show();
  return some.length > 0;
}

// Pictures that chance drew have no name together: the next one is focused.
function markDrawn(decision) {
  if (state.page.why !== "chance" || state.name || !focused()) return false;
  state.marks.set(focused().item, decision);
  state.focus += 1;
  return true;
}

// After the last page those come again that were skipped.
async function orPassed(page) {
  if (page.why !== "end" || !state.passed.size) return page;
  state.passed.clear();
  return ask("/items");
}

// `then` shows what follows a saved decision; the next page, if it is not given.
async function act(text, work, then) {
  if (state.busy) return;
  state.busy = true;
  report("saving …");
  try {
    const reply = await work();
    if (reply === null) report("nothing is saved yet; Esc starts this page again");
    else {
      state.before = null;
      showFacts(reply);
      if (then) await then(reply);
      else showPage(await orPassed(reply.page));
      const lost = reply.refused.map(({ why }) => why);
      if (lost.length) report(`not saved: ${lost.slice(0, 3).join("; ")}${lost.length > 3 ? ` and ${lost.length - 3} more` : ""}`, true);
      else report(text);
    }
  } catch (error) {
    report(`not saved: ${error.message}`, true);
  } finally {
    state.busy = false;
    show();
  }
}

function confirm() {
  if (!state.items.length || !giveTyped({})) return;
  const given = state.items.map((item) => [item.item, answer(item)]);
  const decisions = given.filter(([, one]) => one).map(([item, one]) => ({ item, ...one }));
  if (together) { confirmTogether(decisions); return; }
  if (!decisions.length) {
    report(state.page.why === "similar" ? "nothing is named; Esc goes back" : "type a name first", true);
    return;
  }
  act(savedText(decisions), () => ask("/decisions", { decisions, without: later() }));
}

// Counts the images of the decided items.
function savedText(decisions) {
  const numbers = new Set(decisions.map(({ item }) => item));
  return `saved ${plural(state.items.reduce((sum, one) => sum + (numbers.has(one.item) ? one.images : 0), 0), "image")}`;
}

const later = () => [...state.passed].slice(-PASSED);

// From pictures most like one of a label to those of the label; from these, and from those most
// like one, to the page before.
function back() {
  if (together && state.page.why !== "together") showTogether(together.first);
  else leaveTogether("");
}

const isBeside = () => together || state.items.length > 0 && state.page.why === "similar";

function skip() {
  if (isBeside()) { back(); return; }
  for (const { item } of state.items) { state.passed.delete(item); state.passed.add(item); } // the last ones
  act("", () => ask("/decisions", { decisions: [], without: later() }));
}

async function similar() {
  if (!focused()) return;
  try {
    const page = await ask(`/items?similar=${focused().item}`);
    if (!together) keepPage();
    showPage(page);
    report("");
  } catch (error) {
    report(error.message, true);
  }
}

function undo() {
  if (isNaming() && state.marks.size) { unanswer(); return; }
  act("taken back", () => ask("/undo", {}), together && (({ page }) => againTogether(page))).then(askFolders);
}

// Back from wherever the page is; an ordinary page as it came.
function escape() {
  if (!$("managing").hidden) { toggleManaging(); return; }
  if (isBeside()) { back(); return; }
  state.name = proposed(state.page);
  state.chosen.clear();
  state.marks.clear();
  show();
}

const KEYS = [
  ["1 – 9 0", "give a label; where each is named by itself, 1 to 3 are its guesses"],
  ["A – Z /", "type a name; Enter gives it, Shift-Enter as a new one"],
  ["Space", "click the picture away, or back", () => clickAway(state.focus)],
  ["Enter", "save the page, and show the next one", confirm, ["confirm", "confirm"]],
  [">", "another page", skip, ["skip", "another page"]],
  ["Delete", "leave out", () => mark({ kind: "left-out", label: "" }, true), ["left-out", "leave out"]],
  ["?", "cannot tell", () => mark({ kind: "cannot-tell", label: "" }, true), ["cannot-tell", "cannot tell"]],
  ["=", "those most like the picture", similar, ["similar", "most like it"]],
  ["Backspace", "take the last decision back, then the one before it", undo, ["undo", "undo"]],
  ["+", "one label: its pictures, another name", () => toggleManaging(), ["manage", "one label"]],
  ["Esc", "back; start an ordinary page again", escape],
  ["Y N", "asked about folders: the first one is a label, or none"],
];

function typed(event) {
  if (event.key === "Escape") { $("name").value = ""; focus(state.focus); }
  if (event.key !== "Enter") return;
  event.preventDefault();
  if (!$("name").value.trim()) focus(state.focus);
  else giveTyped({ isNew: event.shiftKey });
}

const moved = () => {}; // the page has all its pictures
const showHeading = () => { $("totals").textContent = state.heading; };

async function begin(facts) {
  showFacts(facts);
  $("manage").setAttribute("aria-expanded", "false");
  $("manage").setAttribute("aria-controls", "managing");
  $("rename").addEventListener("click", rename);
  $("together").addEventListener("click", seeChosen);
  $("name").addEventListener("keydown", typed);
  $("managing").addEventListener("keydown", typedManaging);
  new ResizeObserver(layOut).observe(document.querySelector("main"));
  showPage(await ask("/items"));
  await askFolders();
}
