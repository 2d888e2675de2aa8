// Sorts each table with data-sortable by the column that the reader chooses. The address keeps it, as sort=descending Training, and from the
// page's second table on as sort=2 descending Training. Also tells which texts the words of a filter name.
const sortables = [...document.querySelectorAll("table[data-sortable]")];
const nameOf = (head) => head.textContent.trim().replace(/\s+/g, " ");
const cellsOf = (head) => [...head.closest("table").tBodies[0].rows].map((row) => row.cells[head.cellIndex]);
const isNumeric = (head) => cellsOf(head).some((cell) => cell.dataset.value !== undefined);

// Returns whether the text has every word of the filter.
function hasWords(text, filter) {
  const lower = text.toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => lower.includes(word));
}

function sortBy(head, ascending) {
  for (const cell of head.parentElement.cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const numeric = isNumeric(head);
  const valued = cellsOf(head).map((cell) => [numeric ? Number(cell.dataset.value ?? NaN) : cell.textContent.trim(), cell.parentElement]);
  valued.sort(([a], [b]) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // values that were not measured stay at the end
    return (ascending ? 1 : -1) * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
  });
  head.closest("table").tBodies[0].append(...valued.map(([, row]) => row));
}

// Sorts by the column whose head the reader pressed. Numbers begin with the largest, and texts with the first letter.
function press(head) {
  const now = head.getAttribute("aria-sort");
  sortBy(head, now ? now === "descending" : !isNumeric(head));
  remember();
}

for (const head of sortables.flatMap((table) => [...table.tHead.rows[0].cells])) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sort";
  button.title = head.title;
  head.removeAttribute("title");
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => press(head));
}

views.push({
  save(state) {
    sortables.forEach((table, number) => {
      const head = table.tHead.querySelector("[aria-sort]");
      if (head) state.append("sort", `${number ? `${number + 1} ` : ""}${head.getAttribute("aria-sort")} ${nameOf(head)}`);
    });
  },
  show(state) {
    for (const text of state.getAll("sort")) {
      const [, number, direction, name] = /^(?:(\d+) )?(ascending|descending) (.*)$/.exec(text) || [];
      const table = sortables[Number(number || 1) - 1];
      const head = table && [...table.tHead.rows[0].cells].find((cell) => nameOf(cell) === name);
      if (head) sortBy(head, direction === "ascending");
    }
  },
});
