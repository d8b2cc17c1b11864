"use strict";
// Filters galleries, and shows pictures larger. Without it the page has the same content.
(() => {
  const viewer = document.getElementById("viewer");
  const body = document.getElementById("viewer-body");
  const title = document.getElementById("viewer-title");
  const steps = document.getElementById("viewer-steps");
  const place = document.getElementById("viewer-place");
  const back = viewer.querySelector("[data-act=back]");
  let list = [];      // the pictures that can be stepped through
  let at = -1;        // the one that is shown; -1: all of them
  let heading = "";   // of all of them; empty: there is no such view

  const copy = (shot) => {
    const made = shot.cloneNode(true);
    made.querySelector(".picture").tabIndex = 0;
    return made;
  };

  function showAll() {
    at = -1;
    title.textContent = heading;
    const grid = document.createElement("div");
    grid.className = "grid";
    grid.append(...list.map(copy));
    body.replaceChildren(grid);
    steps.hidden = back.hidden = true;
    const first = grid.querySelector(".picture");
    if (first) first.focus();
  }

  function showOne(index) {
    at = index;
    const made = copy(list[at]);
    made.querySelector(".picture").tabIndex = -1;
    title.textContent = made.querySelector(".name").textContent;
    body.replaceChildren(made);
    steps.hidden = false;
    back.hidden = !heading;
    place.textContent = `${at + 1} of ${list.length}`;
    steps.querySelector("[data-act=previous]").disabled = at === 0;
    steps.querySelector("[data-act=next]").disabled = at === list.length - 1;
    body.focus();
  }

  function step(by) {
    if (at >= 0 && list[at + by]) showOne(at + by);
  }

  const every = (selector) => [...document.querySelectorAll(`main .shot${selector}`)];

  function openAll(shots, text) {
    list = shots;
    heading = `${text} (${shots.length})`;
    if (!viewer.open) viewer.showModal();
    showAll();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) {
      if (event.target === viewer) viewer.close();
      return;
    }
    const data = button.dataset;
    if (data.show !== undefined) {
      const [truth, label] = data.show.split(",").map(Number);
      openAll(every(`[data-truth="${truth}"][data-label="${label}"]`), data.title);
    } else if (data.showFlag !== undefined) {
      openAll(every(".flagged").filter((s) => s.dataset.flag === data.showFlag), data.title);
    } else if (data.act === "close") {
      viewer.close();
    } else if (data.act === "back") {
      showAll();
    } else if (data.act) {
      step(data.act === "next" ? 1 : -1);
    } else if (button.classList.contains("picture")) {
      const shot = button.closest(".shot");
      if (viewer.contains(shot)) {
        if (at < 0) showOne([...shot.parentNode.children].indexOf(shot));
        return;
      }
      heading = "";
      list = visible(shot.closest(".grid"));
      viewer.showModal();
      showOne(list.indexOf(shot));
    }
  });

  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });

  // One tab stop for each gallery; arrow keys, Home and End move within it.
  const visible = (grid) => [...grid.querySelectorAll(".shot")].filter((s) => s.checkVisibility());
  const galleries = [...document.querySelectorAll("main .grid")];

  function setStops(grid) {
    const shots = visible(grid);
    for (const shot of grid.querySelectorAll(".picture")) shot.tabIndex = -1;
    if (shots.length) shots[0].querySelector(".picture").tabIndex = 0;
    const none = grid.parentNode.querySelector(".none");
    if (none) none.hidden = shots.length > 0;
    return shots.length;
  }

  document.addEventListener("keydown", (event) => {
    const picture = event.target.closest(".grid .picture");
    const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    if (!picture || !(event.key in moves)) return;
    const shots = visible(picture.closest(".grid"));
    const from = shots.indexOf(picture.closest(".shot"));
    const columns = shots.filter((s) => s.offsetTop === shots[0].offsetTop).length;
    const by = moves[event.key] * (event.key === "ArrowDown" || event.key === "ArrowUp" ? columns : 1);
    const to = Math.max(0, Math.min(shots.length - 1, from + by));
    event.preventDefault();
    picture.tabIndex = -1;
    const next = shots[to].querySelector(".picture");
    next.tabIndex = 0;
    next.focus();
  });

  const section = document.getElementById("pictures");
  const total = document.getElementById("filter-count");

  function filter(value) {
    section.classList.remove("filtered-doubtful", "filtered-flagged", "filtered-differs", "filtered-by-person");
    if (value !== "all") section.classList.add(`filtered-${value}`);
    const shown = galleries.map(setStops).reduce((sum, count) => sum + count, 0);
    if (total) total.textContent = `${shown} pictures`;
  }

  for (const input of document.querySelectorAll("input[name=filter]")) {
    input.addEventListener("change", () => filter(input.value));
  }
  const chosen = document.querySelector("input[name=filter]:checked");
  if (section) filter(chosen ? chosen.value : "all");
  else galleries.forEach(setStops);
})();
