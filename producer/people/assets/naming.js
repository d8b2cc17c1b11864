"use strict";
// Pictures that were clicked away, each to be named by itself.

const BEST = "123"; // keys of the best guesses for the focused picture

// Also a page of them that was taken back.
function isNaming() {
  if (!state.page) return false;
  const { why, stacks: shown } = state.page;
  return why === "naming" || (why === "undone" && shown.every(({ proposals }) => proposals.length));
}

function namingQuestion() {
  const before = state.page.why === "undone" ? "Taken back." : "Clicked away before.";
  const what = stacks().length > 1 ? "What is each?" : "What is it?";
  const most = Math.max(...stacks().map(({ proposals }) => proposals.length));
  const keys = most > 1 ? `1 to ${most} give the guesses below it; or type` : most ? "1 gives the guess below it; or type" : "Type";
  return `${before} ${what} ${keys} its name.`;
}

function guesses({ proposals }, index) {
  return element("div", { className: "guesses" }, ...proposals.map((label, i) => {
    const button = element("button", { type: "button", title: label, tabIndex: -1 },
      element("kbd", { textContent: BEST[i] }), ` ${label}`);
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      state.focus = index;
      answerOne({ kind: "label", label });
    });
    return button;
  }));
}

// Says something about the focused picture, and goes on to the next one without an answer; after
// the last one all are saved.
function answerOne(decision) {
  const stack = stacks()[state.focus];
  if (!stack || state.busy) return;
  state.marks.delete(stack.stack); // so that it is the last one
  state.marks.set(stack.stack, decision);
  const open = stacks().flatMap((one, i) => (state.marks.has(one.stack) ? [] : [i]));
  if (!open.length) { show(); confirm(); return; }
  focus(open.find((i) => i > state.focus) ?? open[0]);
}

function answerNumbered(number) {
  const { proposals } = stacks()[state.focus];
  if (number < proposals.length) answerOne({ kind: "label", label: proposals[number] });
}

// Takes the last answer back that is not saved yet.
function unanswer() {
  const last = [...state.marks.keys()].pop();
  state.marks.delete(last);
  focus(stacks().findIndex(({ stack }) => stack === last));
}
