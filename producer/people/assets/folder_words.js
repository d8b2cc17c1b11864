// What a page of a folder asks, and the pictures that were clicked away before, each to be named by itself.

const BEST = "123"; // keys of the best guesses for the focused picture
const WORDS = { "left-out": "left out", "cannot-tell": "cannot tell", null: "sent back" };
const words = ({ kind, label }) => (kind === "not-this" ? `not ${label}` : label || WORDS[kind]);
const percent = (share) => `${Math.round(100 * share)}%`;

function question() {
  const { why } = state.page;
  if (why === "end") return "";
  if (why === "together") return togetherQuestion();
  if (isNaming()) return namingQuestion();
  if (state.chosen.size) return awayQuestion();
  if (why === "undone") return "Taken back. What are these?";
  if (why === "similar") return state.name ? `Most like it, which are ${brief(state.name)}? Esc goes back.`
    : "Most like the first. Type a name for all, or click some away; Esc goes back.";
  if (why === "chance" && !state.name) return state.labels.length > 1
    ? "Drawn by chance, to measure: Enter confirms the label below each. A name that you type is that of the framed one; " +
      "click away what has another one."
    : "What are these? Type a name.";
  if (state.items.length === 1) return state.name
    ? `This looks like ${brief(state.name)}. Enter confirms it, or type another name.` : "What is this? Type a name.";
  return state.name ? `These look like ${brief(state.name)}. Another name for all: type it first. Click the wrong ones away: they ` +
    "come back to be named. Enter confirms the rest."
    : "These look alike. What are they? Type a name.";
}

function awayQuestion() {
  if (isUnnamed()) return "What are the others, which were not clicked away? Type their name.";
  const away = state.items.filter(({ item }) => state.chosen.has(item)), number = count(away.length);
  const named = `A name that you type now is that of the ${number} clicked away`;
  if (!away.some(answer)) return `${named}.`;
  const others = away.length < state.items.length ? "Enter confirms the others, and" : "after Enter";
  return `${named}; ${others} the ${number} ${away.length === 1 ? "comes" : "come"} back to be named.`;
}

// Also a page of them that was taken back.
function isNaming() {
  if (!state.page) return false;
  const { why, items } = state.page;
  return why === "naming" || (why === "undone" && items.every(({ others }) => others.length));
}

function namingQuestion() {
  const before = state.page.why === "undone" ? "Taken back." : "Clicked away before.";
  const what = state.items.length > 1 ? "What is each?" : "What is it?";
  const most = Math.max(...state.items.map(({ others }) => others.length));
  const keys = most > 1 ? `1 to ${most} give the guesses below it; or type` : most ? "1 gives the guess below it; or type" : "Type";
  return `${before} ${what} ${keys} its name.`;
}

function guesses({ others }, index) {
  return element("div", { className: "guesses" }, ...others.map(([label], i) => {
    const button = keyed(BEST[i], label, () => {
      state.focus = index;
      answerOne({ kind: "label", label });
    }, { title: label, tabIndex: -1 });
    button.addEventListener("click", (event) => event.stopPropagation());
    return button;
  }));
}

// Says something about the focused picture, and goes on to the next one without an answer; after
// the last one all are saved.
function answerOne(decision) {
  if (!focused() || state.busy) return;
  state.marks.delete(focused().item); // so that it is the last one
  state.marks.set(focused().item, decision);
  const open = state.items.flatMap(({ item }, i) => (state.marks.has(item) ? [] : [i]));
  if (!open.length) { show(); confirm(); return; }
  focus(open.find((i) => i > state.focus) ?? open[0]);
}

function answerNumbered(number) {
  const { others } = focused();
  if (number < others.length) answerOne({ kind: "label", label: others[number][0] });
}

// Takes the last answer back that is not saved yet.
function unanswer() {
  const last = [...state.marks.keys()].pop();
  state.marks.delete(last);
  focus(state.items.findIndex(({ item }) => item === last));
}
