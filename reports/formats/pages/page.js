// Draws figures from the page's JSON once their section is open, in the colours of the reader's scheme. Filters tables as the reader types,
// and sorts them by a column. The address keeps both, as #filter=cupy&sort=2&order=down.
const data = document.getElementById("figures-data");
const figures = new Map((data ? JSON.parse(data.textContent) : []).map((figure) => [figure.name, figure]));
const drawn = new Set();

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

function filter(words) {
  for (const row of document.querySelectorAll("tr[data-row]")) {
    const text = `${row.textContent} ${row.dataset.place}`.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  for (const part of document.querySelectorAll("[data-part]")) {
    part.hidden = words.length > 0 && !part.querySelector("tr[data-row]:not([hidden])");
  }
}

const state = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

function keep(changes) {
  const kept = state();
  for (const [name, value] of Object.entries(changes)) {
    if (value) kept.set(name, value);
    else kept.delete(name);
  }
  history.replaceState(null, "", `#${kept}`);
}

function sortValue(row, column) {
  const cell = row.children[column];
  return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
}

function sort(table, column, down) {
  const rows = [...table.tBodies[0].rows], sign = down ? -1 : 1;
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  rows.sort((a, b) => sign * compare(sortValue(a, column), sortValue(b, column)));
  table.tBodies[0].append(...rows);
  [...table.tHead.rows[0].cells].forEach((head, number) => {
    if (number === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" || (head.classList.contains("number") && !head.hasAttribute("aria-sort"));
      sort(table, column, down);
      keep({ sort: String(column), order: down ? "down" : "up" });
    });
  });
}

function words(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

function restore() {
  const kept = state(), table = document.querySelector("table[data-sortable]");
  if (box) box.value = kept.get("filter") ?? "";
  filter(words(kept.get("filter") ?? ""));
  const column = Number(kept.get("sort") ?? NaN);
  if (table && column in table.tHead.rows[0].cells) sort(table, column, kept.get("order") === "down");
}

drawOpen();
document.addEventListener("toggle", drawOpen, true);
dark.addEventListener("change", () => drawn.forEach(draw));
savesFigures((name) => figures.get(name), (figure) => figure.data);
drawAtEachWidth(() => drawn.forEach(draw));
printsWith(() => { drawn.clear(); drawOpen(); });
const box = document.getElementById("filter");
if (box) box.addEventListener("input", () => { filter(words(box.value)); keep({ filter: box.value }); });
document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
if (state().size) restore();
