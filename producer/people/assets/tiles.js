"use strict";
// Tiles as large as the page allows.

const SMALLEST = 120; // pixels of a picture's side; where all are smaller, the page scrolls
const GAP = 8; // as in label.css

// The columns with which pictures are largest, and their side, where all tiles fit; a tile has
// `beside` and `below` pixels more than its picture.
function fitting(number, width, height, beside, below) {
  const wide = (columns) => (width + GAP) / columns - GAP - beside;
  const high = (columns) => (height + GAP) / Math.ceil(number / columns) - GAP - below;
  const all = Array.from({ length: number }, (_, i) => i + 1);
  const found = all.map((columns) => ({ columns, side: Math.floor(Math.min(wide(columns), high(columns))) }));
  const best = found.reduce((one, other) => (other.side > one.side ? other : one));
  if (best.side >= SMALLEST) return best;
  const columns = all.findLast((some) => wide(some) >= SMALLEST) || 1;
  return { columns, side: Math.floor(wide(columns)) };
}

function layOut() {
  const tiles = stacks().map(({ tile: one }) => [one, one.querySelector(".frame")]);
  if (!tiles.length) return;
  const { clientWidth, clientHeight } = document.querySelector("main");
  const { paddingLeft, paddingTop } = getComputedStyle(document.querySelector("main"));
  const beside = tiles[0][0].offsetWidth - tiles[0][1].offsetWidth;
  const below = Math.max(...tiles.map(([one, frame]) => one.offsetHeight - frame.offsetHeight));
  const { columns: number, side } = fitting(tiles.length, clientWidth - 2 * parseFloat(paddingLeft),
    clientHeight - 2 * parseFloat(paddingTop), beside, below);
  $("grid").style.gridTemplateColumns = `repeat(${number}, ${side + beside}px)`;
  for (const { stack, tile: { firstChild: frame } } of stacks()) sharpen(frame.querySelector("img"), stack, side);
}

// Loads a picture that is sharp at this side, unless a larger one is there.
function sharpen(image, stack, side) {
  const wanted = sharpSide(side);
  if (!image || Number(image.dataset.side || 0) >= wanted) return;
  image.dataset.side = wanted;
  image.src = address(`/pictures/${stack}?side=${wanted}`);
}
