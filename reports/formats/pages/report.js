// Draws the figures of the page's JSON in the colours of the reader's theme; filters loaders, sorts the table.
const drawn = JSON.parse(document.getElementById("figures-data").textContent);
const root = document.documentElement;

// Names stand escaped in the figures' data, for Plotly reads some HTML in them.
function plain(name) {
  return new DOMParser().parseFromString(String(name), "text/html").documentElement.textContent;
}

const shows = (name) => name.toLowerCase().includes(document.getElementById("filter").value.trim().toLowerCase());

const ofPoints = ["x", "y", "text", "textposition", "customdata"];

// A trace is one loader's, or has a loader at each of its points.
function kept(trace) {
  const meta = trace.meta || {};
  if (meta.loader !== undefined) return shows(plain(meta.loader)) ? trace : { ...trace, visible: false };
  if (meta.rows) return trace; // of a timeline: rows are threads
  const labels = meta.labels || (typeof trace.y[0] === "string" ? trace.y : null);
  if (!labels) return trace;
  const places = labels.map((label, place) => (shows(plain(label)) ? place : -1)).filter((place) => place >= 0);
  const pick = (values) => (Array.isArray(values) && values.length === labels.length ? places.map((place) => values[place]) : values);
  const found = { ...trace };
  for (const key of ofPoints) if (trace[key]) found[key] = pick(trace[key]);
  for (const key of ["error_x", "error_y"]) {
    const bars = trace[key];
    if (bars) found[key] = { ...bars, array: pick(bars.array), arrayminus: pick(bars.arrayminus) };
  }
  return found;
}

// The line of those points that no other beats in one and equals in the other, as reports/figures/frontiers.py has it.
function frontier(line, marks) {
  const sign = line.meta.frontier === "lower" ? 1 : -1;
  const points = marks.x.map((x, place) => [x, marks.y[place]]).sort((a, b) => sign * (a[0] - b[0]) || b[1] - a[1]);
  let best = -Infinity;
  const edge = points.filter(([, y]) => y > best && ((best = y), true)).sort((a, b) => a[0] - b[0]);
  return { ...line, x: edge.map(([x]) => x), y: edge.map(([, y]) => y) };
}

function tracesOf(figure) {
  const traces = figure.data.map(kept);
  return traces.map((trace) => ((trace.meta || {}).frontier ? frontier(trace, traces[0]) : trace));
}

function draw() {
  for (const figure of drawn) {
    const layout = layoutOf(figure, { title: { standoff: 10 } });
    const rows = figure.data.some((trace) => (trace.meta || {}).rows);
    if (layout.yaxis.categoryarray && !rows) layout.yaxis.categoryarray = layout.yaxis.categoryarray.filter((label) => shows(plain(label)));
    Plotly.react(figure.name, tracesOf(figure), layout, { responsive: true, displayModeBar: false });
  }
}

function filter() {
  const all = document.querySelectorAll(".card[data-loader]");
  for (const element of document.querySelectorAll("[data-loader]")) element.hidden = !shows(element.dataset.loader);
  const shown = [...all].filter((card) => !card.hidden).length;
  document.getElementById("shown").textContent = shown === all.length ? "" : `${shown} of ${all.length} shown`;
  draw();
}

function sort(button) {
  const head = button.closest("th");
  const column = head.cellIndex;
  const rising = head.getAttribute("aria-sort") === "descending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const value = (row) => {
    const cell = row.cells[column];
    return column === 0 ? cell.textContent : cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const body = document.querySelector("#table tbody");
  const rows = [...body.rows];
  rows.sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null); // what was not measured stays at the end
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return rising ? order : -order;
  });
  body.append(...rows);
}

const THEMES = ["automatic", "light", "dark"];

function setTheme(theme) {
  if (theme === "automatic") root.removeAttribute("data-theme");
  else root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = `Theme: ${theme}`;
  button.dataset.now = theme;
  draw();
}

document.getElementById("filter").addEventListener("input", filter);
document.getElementById("theme").addEventListener("click", (event) => {
  setTheme(THEMES[(THEMES.indexOf(event.currentTarget.dataset.now) + 1) % THEMES.length]);
});
for (const button of document.querySelectorAll(".sort")) button.addEventListener("click", () => sort(button));
setTheme("automatic");
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);
printsWith(draw);
