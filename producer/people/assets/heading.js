"use strict";
// The heading of the page for labels: what is known so far, and what to do next.

const LEAST_DRAWN = 24; // images by which the share that is right is measured

// `sure` may be of a head that does not know the last decisions.
function showStanding({ images, named, without, sure, drawn, share, low, high }, byFolders = 0) {
  const others = images - named - without, accepted = Math.min(sure, others);
  const strong = (text) => element("b", { textContent: text });
  const parts = [namedBy(named, images, byFolders)];
  if (without) parts.push([`${count(without)} left out or not known`]);
  if (others && share === null) parts.push([`not measured yet: ${drawn} of ${LEAST_DRAWN} drawn by chance are decided`]);
  else if (others) parts.push([`of the ${count(others)} others `, strong(percent(share)), " would be right " +
    `(${Math.round(100 * low)} to ${Math.round(100 * high)}, from ${drawn} drawn by chance)`]);
  if (others) parts.push([strong(count(accepted)), ` sure at 95%, ${count(others - accepted)} would come into unknown/`]);
  $("totals").replaceChildren(...parts.flatMap((part, i) => [i ? " · " : "", ...part]));
}

function question() {
  const { why } = state.page;
  if (why === "end") return "";
  if (why === "together") return togetherQuestion();
  if (isNaming()) return namingQuestion();
  if (state.away.size) return awayQuestion();
  if (why === "undone") return "Taken back. What are these?";
  if (why === "similar") return state.name ? `Most like it, which are ${brief(state.name)}? Esc goes back.`
    : "Most like the first. Type a name for all, or click some away; Esc goes back.";
  if (why === "chance" && !state.name) return state.labels.length > 1
    ? "Drawn by chance, to measure: Enter confirms the label below each. A name that you type is that of the framed one; " +
      "click away what has another one."
    : "What are these? Type a name.";
  return stacks().length === 1 ? aboutOne() : aboutSome();
}

function awayQuestion() {
  if (isUnnamed()) return "What are the others, which were not clicked away? Type their name.";
  const away = stacks().filter(({ stack }) => state.away.has(stack)), number = count(away.length);
  const named = `A name that you type now is that of the ${number} clicked away`;
  if (!away.some(answer)) return `${named}.`;
  const others = away.length < stacks().length ? "Enter confirms the others, and" : "after Enter";
  return `${named}; ${others} the ${number} ${away.length === 1 ? "comes" : "come"} back to be named.`;
}

function aboutSome() {
  return state.name ? `These look like ${brief(state.name)}. Another name for all: type it first. Click the wrong ones away: they ` +
    "come back to be named. Enter confirms the rest."
    : "These look alike. What are they? Type a name.";
}

function aboutOne() {
  return state.name ? `This looks like ${brief(state.name)}. Enter confirms it, or type another name.`
    : "What is this? Type a name.";
}
