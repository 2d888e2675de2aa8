// Keeps the reader's view in the page's address: the place, and whatever the page's other scripts add. A link shows the same view.
const views = []; // what the address keeps, each with save(state) and show(state) for URLSearchParams
let place = "";

function remember() {
  const state = new URLSearchParams();
  if (place) state.set("at", place);
  for (const view of views) view.save(state);
  const hash = [...state.keys()].join() === "at" ? encodeURIComponent(place) : state.toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.href.split("#")[0]);
}

// Returns what the address says. A plain link to a place has no "=".
function addressed() {
  const hash = location.hash.slice(1);
  return new URLSearchParams(hash.includes("=") ? hash : `at=${hash.replaceAll("+", "%2B")}`);
}

// Shows the view that the address names. What it does not name is as on a new page, and what the page lacks is ignored.
function restore(draw) {
  const state = addressed();
  place = document.getElementById(state.get("at") || "") ? state.get("at") : "";
  for (const view of views) view.show(state);
  draw();
  if (place) goTo(place);
}

// Scrolls to an element, sideways in a wide table, too. Opens what it is folded into.
function goTo(id) {
  const element = document.getElementById(id);
  if (!element) return;
  for (let box = element.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  element.scrollIntoView({ inline: "center" });
}

// Shows the view of the page's address, now and whenever the reader follows a link to another one. A page calls it when all else is ready.
function showsAddress(draw) {
  restore(draw);
  window.addEventListener("hashchange", () => {
    if (location.hash.includes("=")) restore(draw);
    else { place = addressed().get("at"); goTo(place); remember(); }
  });
}

// Lets each heading with an id link to itself, and lists those of the second level in the page's contents, if it has some.
const contents = document.getElementById("contents");
for (const heading of document.querySelectorAll("main h2[id], main h3[id]")) {
  const link = document.createElement("a");
  link.href = `#${heading.id}`;
  link.className = "self";
  link.append(...heading.childNodes);
  heading.append(link);
  if (!contents || heading.tagName !== "H2") continue;
  const item = document.createElement("li");
  const entry = document.createElement("a");
  entry.href = link.href;
  entry.textContent = heading.textContent;
  item.append(entry);
  contents.append(item);
}
document.addEventListener("click", (event) => { // the address may hold the place already
  const link = event.target.closest('a[href^="#"]');
  if (link) goTo(decodeURIComponent(link.getAttribute("href").slice(1)));
});
