"use strict";
// Decisions of the review page: saved in their order, and taken back.

const MOST_AT_ONCE = 100; // rows of several decisions in one request
let saving = Promise.resolve();

function current() {
  const chosen = state.selected.size ? [...state.selected].sort((a, b) => a - b) : [state.focus];
  return chosen.map((i) => state.rows[i]).filter(Boolean);
}

function set(row, label) {
  state.left += (row.decided !== null) - (label !== null);
  row.decided = label;
  mark(row);
}

// Decisions that are made while others are being saved follow together, in one request.
function decide(pairs, remember = true) {
  if (!pairs.length) return;
  state.waiting.push({ pairs, remember, before: pairs.map(([row]) => [row, row.decided]) });
  for (const [row, label] of pairs) set(row, label);
  show();
  report("saving …");
  saving = saving.then(save);
}

async function save() {
  const groups = nextGroups();
  if (!groups.length) return; // saved with earlier ones
  const pairs = groups.flatMap((group) => group.pairs);
  try {
    const reply = await ask("/decisions", { decisions: pairs.map(([row, label]) => [row.position, label]) });
    const refused = new Map(reply.refused.map(({ row, why }) => [row, why]));
    for (const [row] of pairs) note(row, refused.get(row.row));
    takeBack(groups, (row) => refused.has(row.row));
    for (const { remember, before } of groups) {
      const saved = before.filter(([row]) => !refused.has(row.row));
      if (remember && saved.length) state.undo.push(saved);
    }
    keepUndo(groups, (row) => refused.has(row.row));
    markCopies(reply.copies);
    state.table.totals = reply.totals;
    showTotals();
    if (reply.labels.length !== state.table.labels.length) showLabels(reply.labels);
    const saved = pairs.length - refused.size;
    if (state.waiting.length) report("saving …");
    else if (saved) report(groups[0].remember ? `saved${saved === 1 ? "" : ` ${saved}`}` : afterUndo(pairs));
    else report("");
  } catch (error) {
    for (const [row] of pairs) note(row, error.message);
    keepUndo(groups, () => true);
    takeBack(groups, () => true);
    report("");
  }
  show();
}

// What could not be taken back is what the next undo takes back.
function keepUndo(groups, isRefused) {
  for (const { pairs, remember } of groups) {
    const kept = pairs.filter(([row]) => isRefused(row));
    if (!remember && kept.length) state.undo.push(kept);
  }
}

// Its row may be in none of the rows on display.
function afterUndo(pairs) {
  const [[row, label]] = pairs;
  if (pairs.length > 1) return `taken back ${pairs.length}`;
  return `taken back: row ${row.row} ${label === null ? "has no decision" : `is ${label} again`}`;
}

// Equal files share a decision. Rows with a later decision are marked when that is saved.
function markCopies(copies) {
  const later = new Set(state.waiting.flatMap(({ pairs }) => pairs.map(([row]) => row)));
  for (const row of state.rows) {
    const label = later.has(row) ? undefined : copies[row.position];
    if (label !== undefined && label !== row.decided) set(row, label);
  }
}

// Why a row's last decision was not saved; undefined if it was.
function note(row, why) {
  state.unsaved.delete(row.position);
  if (why !== undefined) state.unsaved.set(row.position, why);
}

// A new label may be refused, so its decision is sent alone.
function nextGroups() {
  const isNew = ({ pairs }) => pairs.some(([, label]) => label !== null && !state.table.labels.includes(label));
  const found = [];
  let rows = 0;
  while (state.waiting.length) {
    rows += state.waiting[0].pairs.length;
    if (found.length && (rows > MOST_AT_ONCE || isNew(found[0]) || isNew(state.waiting[0]))) break;
    found.push(state.waiting.shift());
  }
  return found;
}

function takeBack(groups, isRefused) {
  for (const { before } of [...groups].reverse()) {
    for (const [row, label] of before) if (isRefused(row)) set(row, label);
  }
}

// The next row without a decision; the last one if there is none.
function next(from) {
  const found = state.rows.findIndex((row, i) => i > from && row.decided === null);
  return found < 0 ? state.rows.length - 1 : found;
}

// `labelOf` gives the label of a row.
function assign(labelOf) {
  // Keys that were pressed too often, or faster than rows arrive, must not change the last row.
  if (state.ended) {
    report(state.rows.length < state.total ? "more rows are loading …" : "this was the last row");
    return;
  }
  const rows = current();
  decide(rows.map((row) => [row, labelOf(row)]));
  const last = Math.max(state.focus, ...state.selected);
  state.selected.clear();
  focus(next(last));
  const row = state.rows[state.focus];
  state.ended = Boolean(row) && row.decided !== null;
}

function confirmGuess() {
  if (current().every((row) => row.guess)) assign((row) => row.guess);
  else report("no label is left to confirm: type one");
}

function assignSecond(rank) {
  const known = current().every((row) => row.others[rank]);
  if (known) assign((row) => row.others[rank][0]);
  else report(`the job has no ${rank ? "third" : "second"} label for each image`);
}

function undo() {
  saving = saving.then(() => {
    const last = state.undo.pop();
    if (!last) { report("nothing to undo"); return; }
    decide(last, false);
    const index = state.rows.indexOf(last[0][0]);
    if (index >= 0) focus(index);
  });
}
