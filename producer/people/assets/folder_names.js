// Names of folders that may be labels: a person sees some pictures of each folder, and confirms or
// declines its name, before the first page of stacks.

const putOff = new Set(); // names that this page asks about no more
const isAsking = () => !$("folders").hidden;

// Displays the folders about which nothing is said yet in place of the page; without any, the page.
async function askFolders() {
  const found = (await ask("/folders")).filter(({ name }) => !putOff.has(name));
  setAsking(found.length > 0);
  if (!found.length) return;
  const names = found.map(({ name }) => name), all = found.length > 1;
  const question = element("h2", { id: "folders-question", tabIndex: -1,
    textContent: all ? "Are the names of these folders labels of all their pictures?" : "Is the name of this folder the label of all its pictures?" });
  $("folders").replaceChildren(question,
    element("p", { className: "note", textContent: "A name that is confirmed labels its pictures, as if you had named each; Backspace takes a reply back. No file is moved or changed." }),
    element("ul", {}, ...found.map(folderRow)),
    element("p", { className: "line" },
      ...(all ? [replyButton("all are labels", () => sayOf(names, true)), replyButton("none is a label", () => sayOf(names, false))] : []),
      replyButton("ask later", askLater, "Esc")));
  question.focus();
}

// The keys are those of the first folder: each reply makes the next one the first.
function folderRow({ name, images, items }, index) {
  const pictures = items.map((item) => element("img", {
    alt: `a picture in ${name}`, loading: "lazy", decoding: "async", src: address(`/pictures/${item}?side=${SIDES[0]}`) }));
  return element("li", {}, element("span", { className: "pictures" }, ...pictures),
    element("b", { textContent: name, title: name }), element("span", { className: "stack", textContent: plural(images, "picture") }),
    replyButton("a label", () => sayOf([name], true), index ? "" : "Y", `${name} is a label`),
    replyButton("no label", () => sayOf([name], false), index ? "" : "N", `${name} is no label`));
}

const replyButton = (text, act, key = "", label = text) => keyed(key, text, act, { ariaLabel: label });

function setAsking(asks) {
  if (!asks && !isAsking()) return;
  $("folders").hidden = !asks;
  document.body.classList.toggle("asking", asks);
  if (!asks) focus(state.focus);
}

function sayOf(folders, isLabel) {
  const text = isLabel ? `saved ${plural(folders.length, "folder")}` : "saved";
  return act(text, () => ask("/name-folders", { folders, is_label: isLabel }), async ({ page }) => {
    showPage(page);
    await askFolders();
  });
}

function askLater() {
  for (const { title } of $("folders").querySelectorAll("li b")) putOff.add(title);
  setAsking(false);
}

// The page that is not displayed gets no key but those that take a reply back and list the keys.
// The keys of the question are those that its buttons name.
window.addEventListener("keydown", (event) => {
  if (!isAsking() || document.querySelector("dialog[open]") || ["Backspace", "F1"].includes(event.key)) return;
  event.stopPropagation();
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const key = event.key === "Escape" ? "Esc" : event.key.toUpperCase();
  const named = [...$("folders").querySelectorAll("kbd")].find(({ textContent }) => textContent === key);
  named?.parentElement.click();
}, true);
