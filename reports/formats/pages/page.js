// Draws figures from the page's JSON once their section is open, in the colours of the reader's scheme. Filters the rows of tables as the reader
// types.
const data = document.getElementById("figures-data");
const figures = new Map((data ? JSON.parse(data.textContent) : []).map((figure) => [figure.name, figure]));
const drawn = new Set();
const box = document.getElementById("filter"); // not on every page
const words = () => (box ? box.value : "");

function draw(name) {
  drawFigure(figures.get(name));
  drawn.add(name);
}

function drawOpen() {
  for (const element of document.querySelectorAll(".figure")) {
    const details = element.closest("details");
    if (!drawn.has(element.id) && (!details || details.open)) draw(element.id);
  }
}

function filter() {
  for (const row of document.querySelectorAll("tr[data-row]")) row.hidden = !hasWords(`${row.textContent} ${row.dataset.place}`, words());
  for (const part of document.querySelectorAll("[data-part]")) {
    part.hidden = words().trim() !== "" && !part.querySelector("tr[data-row]:not([hidden])");
  }
  none.textContent = words().trim() && !document.querySelector("tr[data-row]:not([hidden])") ? "Nothing matches." : "";
}

const none = document.createElement("p");
none.setAttribute("role", "status");
if (box) {
  box.parentElement.after(none);
  views.push({
    save(state) { if (box.value) state.set("filter", box.value); },
    show(state) { box.value = state.get("filter") || ""; },
  });
  box.addEventListener("input", () => { filter(); remember(); });
}
drawOpen();
document.addEventListener("toggle", drawOpen, true);
dark.addEventListener("change", () => drawn.forEach(draw));
savesFigures((name) => figures.get(name), (figure) => figure.data);
drawAtEachWidth(() => drawn.forEach(draw));
printsWith(() => { drawn.clear(); drawOpen(); });
showsAddress(filter);
