"use strict";
// What is shown over a page until Esc, the same key or a click: one picture, large, or the keys.

const SIDES = [192, 384, 768, 1536]; // of pictures, in pixels, as the server makes them
const SHARP_ENOUGH = 0.9;
const LONG_MS = 500, STILL_PIXELS = 10; // of a long press
let press = null; // the pointer that is down on a picture, until it moves or comes up
let wasLong = false; // the click that ends a long press is none

// The smallest side that is sharp where a picture has this number of CSS pixels.
function sharpSide(pixels) {
  return SIDES.find((side) => side >= SHARP_ENOUGH * pixels * devicePixelRatio) || SIDES[SIDES.length - 1];
}

// The picture of a tile as large as the window allows; the one of the tile until that is there.
function zoom(tile, path, title) {
  const small = tile.querySelector("img"), large = new Image();
  Object.assign($("zoomed"), { src: small ? small.src : "", alt: title });
  large.addEventListener("load", () => {
    $("zoomed").src = large.src;
    $("zoomed").classList.toggle("pixels", large.naturalWidth < 128);
  });
  large.src = address(`${path}?side=${sharpSide(Math.max(innerWidth, innerHeight))}`);
  $("zoomed-path").textContent = title;
  $("zoom").showModal();
}

const showKeys = () => $("keys").showModal();

// Has a long press on a tile call `act`.
function listenLong(tile, act) {
  const end = () => { if (press) clearTimeout(press.timer); press = null; };
  tile.addEventListener("pointerdown", (event) => {
    end();
    wasLong = false;
    if (event.button) return;
    const timer = setTimeout(() => { press = null; wasLong = true; act(); }, LONG_MS);
    press = { timer, x: event.clientX, y: event.clientY };
  });
  tile.addEventListener("pointermove", (event) => {
    if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > STILL_PIXELS) end();
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) tile.addEventListener(name, end);
  tile.addEventListener("contextmenu", (event) => { if (press || wasLong) event.preventDefault(); });
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", () => dialog.close());
}
document.addEventListener("click", (event) => {
  if (!wasLong) return;
  wasLong = false;
  event.stopPropagation();
}, true);
