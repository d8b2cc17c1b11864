"use strict";
// Stacks are named by their number. A decision counts when the server has replied that it is saved.

const LEAST_LIKELY = 0.5; // of a label that is proposed, in the mean of the pictures
const PASSED = 200; // pictures of skipped pages that come later: the last ones
// `marks`: what the person has said about stacks of this page, by their number. `away`: clicked away.
// `before`: the page before pictures most like one, or those of a label, as it was.
const state = {
  labels: [], page: null, name: "", focus: 0, away: new Set(), marks: new Map(), passed: new Set(),
  busy: false, asked: "", before: null,
};

function report(text, wrong = false) {
  $("saved").textContent = text;
  $("saved").classList.toggle("wrong", wrong);
}

const percent = (share) => `${Math.round(100 * share)}%`;
const stacks = () => (state.page ? state.page.stacks : []);

function showLabels(labels) {
  state.labels = labels;
  showButtons(labels, give);
}

// The pictures.

// The label that Enter confirms: none if it is less likely than all others together, in the mean.
function proposed({ why, label, stacks: shown }) {
  const likely = shown.reduce((sum, { confidence }) => sum + confidence, 0);
  return why === "together" || likely >= LEAST_LIKELY * shown.length ? label : "";
}

function showPage(page) {
  Object.assign(state, { page, name: proposed(page), focus: 0, busy: false });
  state.away.clear();
  state.marks.clear();
  $("name").value = ""; // typed for the page before
  setRoles(isNaming());
  $("grid").replaceChildren(...page.stacks.map(tile));
  $("empty").hidden = page.why !== "end";
  $("empty").textContent = "Every image is decided. Ctrl-C at the command shows what comes next.";
  show();
  layOut();
  focus(0);
}

function keepPage() {
  const { page, name, focus: place, away, marks } = state;
  state.before ??= { page, name, place, away: new Set(away), marks: new Map(marks) };
}

function showKept() {
  const { page, place, ...rest } = state.before;
  showPage(page);
  Object.assign(state, { ...rest, before: null });
  focus(place);
}

function zoomFocused() {
  const stack = stacks()[state.focus];
  if (!stack) return;
  zoom(stack.tile, `/pictures/${stack.stack}`, stack.path);
}

// On a page of namings a picture has buttons, which no option of a list may have.
function setRoles(naming) {
  $("grid").setAttribute("role", naming ? "group" : "listbox");
  $("grid").toggleAttribute("aria-multiselectable", false);
  if (!naming) $("grid").setAttribute("aria-multiselectable", "true");
  $("labels").classList.toggle("plain", naming); // its digits are those of the guesses
}

function tile(stack, index) {
  const more = stack.images > 1 ? `${stack.images} alike` : "";
  stack.tile = tileOf("", stack.path, {},
    element("div", { className: "text" }, element("b", {}), element("span", { className: "stack", textContent: more })),
    ...(isNaming() ? [guesses(stack, index)] : []));
  if (isNaming()) stack.tile.setAttribute("role", "group");
  stack.tile.addEventListener("click", () => { if (!isNaming()) clickAway(index); focus(index); });
  listenLong(stack.tile, () => { focus(index); zoomFocused(); });
  return stack.tile;
}

// What Enter would save about a stack: null is nothing.
function answer(stack) {
  if (state.marks.has(stack.stack)) return state.marks.get(stack.stack);
  const { why } = state.page, away = state.away.has(stack.stack);
  if (why === "together") return away ? awayTogether(stack) : null;
  if (isNaming() || (why === "similar" && stack.decided)) return null;
  const label = state.name || (why === "chance" ? stack.guess : "");
  return label ? { kind: away ? "not-this" : "label", label } : null;
}

const WORDS = { "left-out": "left out", "cannot-tell": "cannot tell", null: "sent back" };
const words = ({ kind, label }) => (kind === "not-this" ? `not ${label}` : label || WORDS[kind]);

function show() {
  $("question").textContent = question();
  $("name").placeholder = !state.away.size ? "type it" : isUnnamed() ? "of the others" : "those away";
  stacks().forEach((stack, i) => {
    const given = state.marks.get(stack.stack), away = state.away.has(stack.stack), would = answer(stack);
    const text = stack.tile.querySelector("b"), note = stack.tile.querySelector(".note:last-child");
    text.textContent = given || (away && would) ? "" : would ? words(would) : stack.decided ? words(stack.decided) : "";
    note.textContent = given ? `→ ${words(given)}` : away ? (would ? `→ ${words(would)}` : "not this") : seen(stack, would);
    stack.tile.classList.toggle("named", Boolean(given));
    stack.tile.classList.toggle("away", away);
    stack.tile.classList.toggle("current", i === state.focus);
    stack.tile.tabIndex = i === state.focus ? 0 : -1;
    if (!isNaming()) stack.tile.setAttribute("aria-selected", String(away));
    const sure = stack.confidence ? `, looks like ${stack.guess} (${percent(stack.confidence)})` : "";
    stack.tile.setAttribute("aria-label", `${stack.path}${sure}, ${note.textContent || text.textContent || "no label"}`);
  });
  for (const button of $("labels").children) {
    button.classList.toggle("chosen", state.name !== "" && button.lastChild.textContent === state.name);
  }
  for (const id of ["confirm", "skip", "left-out", "cannot-tell", "similar"]) $(id).disabled = !stacks().length;
}

// What is known of a picture about which nothing is said on this page.
function seen(stack, would) {
  if (stack.taken_back && !would) return `was ${words(stack.taken_back)}`;
  if (!stack.decided || would) return "";
  if (!together) return "✓ decided";
  return stack.guess && stack.guess !== stack.decided.label ? `like ${stack.guess} (${percent(stack.confidence)})` : "";
}

function focus(index) {
  const all = stacks();
  state.focus = Math.max(0, Math.min(index, all.length - 1));
  show();
  if (all[state.focus]) all[state.focus].tile.focus();
}

// A name that is still in the field is first given to the page; where it has one, Enter gives it to
// the pictures that were clicked away.
function clickAway(index) {
  const stack = stacks()[index];
  if (!stack) return;
  if (isNaming()) { state.marks.delete(stack.stack); show(); return; }
  if (state.page.why !== "together" && (isUnnamed() || !state.away.size)) takeTyped();
  if (!state.marks.delete(stack.stack) && !state.away.delete(stack.stack)) state.away.add(stack.stack);
  show();
}

// Decisions.

// Whether pictures have no name that Enter would confirm, and were not clicked away.
function isUnnamed() {
  const { why } = state.page;
  return why !== "together" && !isNaming() && stacks().some((stack) =>
    !state.away.has(stack.stack) && !answer(stack) && !(why === "similar" && stack.decided));
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

function mark(decision, all = false) {
  if (isNaming()) { answerOne(decision); return true; }
  const chosen = stacks().filter((stack) => state.away.has(stack.stack));
  const one = state.page.why === "together"; // a mistake would change the whole page of a label
  const some = chosen.length || !all || one ? chosen : stacks();
  if (one && !some.length) report("click the wrong ones away first", true);
  for (const { stack } of some) {
    state.marks.set(stack, decision);
    state.away.delete(stack);
  }
  show();
  return some.length > 0;
}

// Pictures that chance drew have no name together: the next one is focused.
function markDrawn(decision) {
  const stack = stacks()[state.focus];
  if (state.page.why !== "chance" || state.name || !stack) return false;
  state.marks.set(stack.stack, decision);
  state.focus += 1;
  return true;
}

// After the last page those come again that were skipped.
async function orPassed(page) {
  if (page.why !== "end" || !state.passed.size) return page;
  state.passed.clear();
  return ask("/next");
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
      showLabels(reply.labels);
      showStanding(reply.standing, reply.by_folders);
      if (then) await then(reply);
      else showPage(await orPassed(reply.page));
      const lost = reply.refused.map(({ path, why }) => `${path} ${why}`);
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
  if (!stacks().length || !takeTyped(true)) return;
  const given = stacks().map((stack) => [stack.stack, answer(stack)]);
  const decisions = given.filter(([, one]) => one).map(([stack, one]) => ({ stack, ...one }));
  if (together) { confirmTogether(decisions); return; }
  if (!decisions.length) {
    report(state.page.why === "similar" ? "nothing is named; Esc goes back" : "type a name first", true);
    return;
  }
  act(savedText(decisions), () => ask("/decisions", { decisions, without: later() }));
}

// Counts the images of the decided stacks.
function savedText(decisions) {
  const numbers = new Set(decisions.map(({ stack }) => stack));
  const images = stacks().reduce((sum, one) => sum + (numbers.has(one.stack) ? one.images : 0), 0);
  return `saved ${count(images)} ${images === 1 ? "image" : "images"}`;
}

const later = () => [...state.passed].slice(-PASSED);

// From pictures most like one of a label to those of the label; from these, and from those most
// like one, to the page before.
function back() {
  if (together && state.page.why !== "together") showTogether(together.first);
  else leaveTogether("");
}

const isBeside = () => together || stacks().length > 0 && state.page.why === "similar";

function skip() {
  if (isBeside()) { back(); return; }
  for (const { stack } of stacks()) { state.passed.delete(stack); state.passed.add(stack); } // the last ones
  act("", () => ask("/decisions", { decisions: [], without: later() }));
}

async function similar() {
  const stack = stacks()[state.focus];
  if (!stack) return;
  try {
    const page = await ask(`/similar/${stack.stack}`);
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
  if (!$("managing").hidden) toggleManaging();
  else if (isBeside()) back();
  else restart();
}

function restart() {
  state.name = proposed(state.page);
  state.away.clear();
  state.marks.clear();
  show();
}

// Keys.

const KEYS = {
  Enter: confirm,
  Delete: () => mark({ kind: "left-out", label: "" }, true),
  "?": () => mark({ kind: "cannot-tell", label: "" }, true),
  "=": similar,
  ">": skip,
  "+": toggleManaging,
  Backspace: undo,
  " ": () => clickAway(state.focus),
  "/": () => $("name").focus(),
  "Shift+Space": zoomFocused,
  F1: () => showKeys(),
  Escape: escape,
  ArrowRight: () => focus(state.focus + 1),
  ArrowLeft: () => focus(state.focus - 1),
  ArrowDown: () => focus(state.focus + columns(stacks())),
  ArrowUp: () => focus(state.focus - columns(stacks())),
};

function giveNumbered(number) {
  if (isNaming()) { answerNumbered(number); return; }
  if (number < state.labels.length) give(state.labels[number]);
}

// Gives what is typed: a label that is typed whole, the only one that begins like it, or a new one:
// with `isNew` at once, where several begin like it by a second Enter. Returns whether nothing is
// left to give.
function takeTyped(isEntered = false, isNew = false) {
  const box = $("name"), text = box.value.trim();
  if (!text) return true;
  const { exact, begins } = meant(state.labels, text);
  if (!exact && !isNew && begins.length > 1 && !(isEntered && state.asked === text)) {
    if (isEntered) {
      state.asked = text;
      report(`which one: ${begins.join(", ")}? Enter again adds ${text}`, true);
    }
    return false;
  }
  state.asked = "";
  box.value = "";
  report("");
  return give(exact || (begins.length === 1 && !isNew ? begins[0] : text));
}

function typed(event) {
  const box = $("name");
  if (event.key === "Escape") { box.value = ""; focus(state.focus); }
  if (event.key !== "Enter") return;
  event.preventDefault();
  if (box.value.trim()) takeTyped(true, event.shiftKey);
  else focus(state.focus);
}

async function begin() {
  const { id, name, images, stacks: number, unreadable, file, labels, standing, by_folders: byFolders } = await ask("/folder");
  start = id;
  const alike = number < images ? ` in ${count(number)} ${number === 1 ? "stack" : "stacks"}` : "";
  const bad = unreadable ? `, ${count(unreadable)} unreadable` : "";
  $("title").textContent = `${name} — ${count(images)} ${images === 1 ? "image" : "images"}${alike}${bad}, labels in ${file}`;
  document.title = `Label ${name}`;
  showLabels(labels);
  showStanding(standing, byFolders);
  const buttons = { confirm, skip, similar, undo, rename, manage: toggleManaging, together: seeChosen };
  for (const [id, act] of Object.entries(buttons)) $(id).addEventListener("click", act);
  $("left-out").addEventListener("click", KEYS.Delete);
  $("cannot-tell").addEventListener("click", KEYS["?"]);
  $("all-keys").addEventListener("click", KEYS.F1);
  $("name").addEventListener("keydown", typed);
  $("managing").addEventListener("keydown", typedManaging);
  listen(KEYS, giveNumbered, $("name"));
  new ResizeObserver(layOut).observe(document.querySelector("main"));
  renew("/folder", (found) => { showLabels(found.labels); showStanding(found.standing, found.by_folders); show(); });
  showPage(await ask("/next"));
  await askFolders();
}

begin().catch((error) => report(error.message, true));
