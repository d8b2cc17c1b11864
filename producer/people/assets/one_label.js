// One label: its pictures together, to find those that are none of it, and another name for it.

const TOGETHER = 24; // pictures of a label on a page
const NOTHING = { kind: null };
const DECIDED = ["left-out", "cannot-tell"]; // without a label
// The label whose pictures are shown, all of them, and the first of the page; null: the usual pages.
let together = null;

function toggleManaging() {
  const open = $("managing").hidden;
  $("managing").hidden = !open;
  $("manage").setAttribute("aria-expanded", String(open));
  if (!open) { focus(state.focus); return; }
  const kinds = DECIDED.map((kind) => element("option", { value: kind, textContent: WORDS[kind] }));
  const labels = state.labels.map((label) => element("option", { value: `label ${label}`, textContent: label }));
  $("of").replaceChildren(...labels, ...kinds);
  const wanted = `label ${state.name || (focused() || {}).guess}`;
  if (labels.some(({ value }) => value === wanted)) $("of").value = wanted;
  $("of").focus();
}

// The decision that is chosen in the list.
function chosen() {
  const [, kind, label] = /^([\w-]+) ?(.*)$/.exec($("of").value);
  return { kind, label };
}

async function openTogether(decision) {
  try {
    const found = await ask(`/items?${new URLSearchParams(decision)}`);
    together = { decision, items: found.items, total: found.total, first: 0 };
    report("");
    if (found.items.length) { keepPage(); showTogether(0); }
    else leaveTogether(`nothing is ${brief(words(decision))}`);
  } catch (error) {
    report(error.message, true);
  }
}

function showTogether(first) {
  together.first = first;
  showPage({ why: "together", label: together.decision.label, items: together.items.slice(first, first + TOGETHER) });
}

function togetherQuestion() {
  const { decision, items: all, total, first } = together, last = Math.min(first + TOGETHER, all.length);
  const some = total > all.length ? `, the ${count(all.length)} of ${count(total)} most unlike the others`
    : total > TOGETHER ? ", the most unlike the others first" : "";
  return `${brief(words(decision))}: ${count(first + 1)} to ${count(last)} of ${count(all.length)}${some}. ` +
    (decision.label ? "Click the wrong ones away: after Enter they come back to be named; or name them."
      : "Click the wrong ones away: Enter sends them back, or name them.");
}

// What is said about a picture of this page that was clicked away; null if something else holds by now.
function awayTogether({ decided }) {
  const { kind, label } = together.decision;
  if (!decided || decided.kind !== kind || decided.label !== label) return null;
  return label ? { kind: "not-this", label } : NOTHING;
}

// Saves what was said about this page of the label, and shows its next one; or what was said about
// pictures most like one of them, and shows the page again.
function confirmTogether(decisions) {
  if (!decisions.length) { nextTogether("nothing was changed"); return; }
  const text = savedText(decisions);
  act(text, () => ask("/decisions", { decisions, next_page: false }), ({ refused }) => {
    const lost = new Set(refused.map(({ item }) => item));
    setDecided(decisions.filter(({ item }) => !lost.has(item))
      .map(({ item, ...one }) => [item, one.kind && one.kind !== "not-this" ? one : null]));
    return state.page.why === "together" ? nextTogether(text) : showTogether(together.first);
  });
}

function setDecided(pairs) {
  const changed = new Map(pairs);
  for (const one of together.items) if (changed.has(one.item)) one.decided = changed.get(one.item);
}

function nextTogether(text) {
  const next = together.first + TOGETHER;
  if (next < together.items.length) { report(text); return showTogether(next); }
  return leaveTogether(`these were all of ${brief(words(together.decision))}`);
}

// To the page before these; to the next one if something was decided since, or if there is none.
function leaveTogether(text) {
  together = null;
  state.busy = false; // what was said about the label is saved
  if (state.before) { showKept(); report(text); return null; }
  return act(text, () => ask("/decisions", { decisions: [], without: later() }));
}

// After undo: the page of the label that has one of these pictures.
async function againTogether(page) {
  const numbers = new Set(page.why === "undone" ? page.items.map(({ item }) => item) : []);
  const place = together.items.findIndex(({ item }) => numbers.has(item));
  if (place >= 0) {
    setDecided(page.items.map(({ item, decided }) => [item, decided]));
    showTogether(place - (place % TOGETHER));
  } else {
    together = null;
    showPage(await orPassed(page));
  }
}

// To the name of another label, both become one; that takes a second click.
function rename() {
  const { label: before } = chosen(), after = $("after").value.trim();
  if (!before || !after) { report("choose a label, and type its new name", true); return; }
  if (state.labels.includes(after) && state.asked !== `${before} ${after}`) {
    state.asked = `${before} ${after}`;
    report(`${brief(after)} is a label, too; press Enter again to merge ${brief(before)} into it`, true);
    return;
  }
  state.asked = $("after").value = "";
  toggleManaging();
  const shown = together && together.decision.label === before;
  act("renamed", () => ask("/rename", { before, after }), shown && (() => openTogether({ kind: "label", label: after })));
}

// Keys in the fields for one label.
function typedManaging(event) {
  if (event.key === "Escape") { event.stopPropagation(); toggleManaging(); }
  if (event.key !== "Enter" || event.target.closest("button")) return;
  event.preventDefault();
  if (event.target === $("after")) rename(); else seeChosen();
}

function seeChosen() {
  const decision = chosen();
  toggleManaging();
  openTogether(decision);
}
