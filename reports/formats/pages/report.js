// Draws figures from the page's JSON in the colours of the reader's theme. Filters loaders.
const figures = JSON.parse(document.getElementById("figures-data").textContent);
const root = document.documentElement;

const boxes = [...document.querySelectorAll("input[name=loader]")];
const filterWords = () => document.getElementById("filter").value.trim().toLowerCase();
const shows = (name) => hasWords(name, filterWords()) && !boxes.some((box) => !box.checked && box.value === name);

const POINT_KEYS = ["x", "y", "customdata"];

// Returns the trace without hidden loaders. A trace belongs to one loader, or has one loader per point.
function kept(trace) {
  const meta = trace.meta || {};
  if (meta.loader !== undefined) return shows(plain(meta.loader)) ? trace : { ...trace, visible: false };
  if (meta.rows || meta.frontier || typeof trace.y[0] !== "string") return trace; // the rows of a timeline are threads
  const indices = trace.y.map((label, index) => (shows(plain(label)) ? index : -1)).filter((index) => index >= 0);
  const result = { ...trace };
  for (const key of POINT_KEYS) if (trace[key]) result[key] = indices.map((index) => trace[key][index]);
  return result;
}

// Returns the line through the marks that no other mark beats, as in reports/figures/frontiers.py.
function frontier(line, marks) {
  const sign = line.meta.frontier === "lower" ? 1 : -1;
  const points = marks.map(({ x, y }) => [x[0], y[0]]).sort((a, b) => sign * (a[0] - b[0]) || b[1] - a[1]);
  let best = -Infinity;
  const edge = points.filter(([, y]) => y > best && ((best = y), true)).sort((a, b) => a[0] - b[0]);
  return { ...line, x: edge.map(([x]) => x), y: edge.map(([, y]) => y) };
}

function tracesOf(figure) {
  const traces = figure.data.map(kept);
  const marks = traces.filter((trace) => visible(trace) && trace.meta && trace.meta.loader !== undefined && !trace.meta.pale);
  return traces.map((trace) => ((trace.meta || {}).frontier ? frontier(trace, marks) : trace));
}

function draw() {
  for (const figure of figures) {
    const element = document.getElementById(figure.name);
    const traces = tracesOf(figure);
    const empty = !traces.some((trace) => visible(trace) && (trace.x || trace.y || []).length);
    element.closest("section").hidden = empty;
    if (empty) continue;
    drawFigure(figure, traces, element, { adapt: (layout) => zoomed(figure.name, layout) });
    watchZoom(element);
  }
}

function filter() {
  const cards = document.querySelectorAll(".card[data-loader]");
  for (const element of document.querySelectorAll("[data-loader]")) element.hidden = !shows(element.dataset.loader);
  const shown = [...cards].filter((card) => !card.hidden).length;
  const named = shown ? `${shown} of ${cards.length} shown` : "No loader matches.";
  document.getElementById("shown").textContent = shown === cards.length ? "" : named;
  for (const section of document.querySelectorAll("main > section")) {
    const parts = [...section.querySelectorAll("[data-loader]")];
    if (parts.length) section.hidden = parts.every((part) => part.hidden);
  }
  draw();
  remember();
}

const THEMES = ["automatic", "light", "dark"];

function setTheme(theme) {
  if (theme === "automatic") root.removeAttribute("data-theme");
  else root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = `Theme: ${theme}`;
  button.dataset.now = theme;
}

document.getElementById("filter").addEventListener("input", filter);
for (const box of boxes) box.addEventListener("change", filter);
document.getElementById("theme").addEventListener("click", (event) => {
  setTheme(THEMES[(THEMES.indexOf(event.currentTarget.dataset.now) + 1) % THEMES.length]);
  draw();
  remember();
});
dark.addEventListener("change", draw);
savesFigures((name) => figures.find((figure) => figure.name === name), tracesOf);
drawAtEachWidth(draw);
printsWith(draw);

views.push({
  save(state) {
    if (filterWords()) state.set("filter", filterWords());
    if (boxes.some((box) => !box.checked)) for (const box of boxes) if (box.checked) state.append("loader", box.value);
    const theme = document.getElementById("theme").dataset.now;
    if (theme !== "automatic") state.set("theme", theme);
  },
  show(state) {
    document.getElementById("filter").value = state.get("filter") || "";
    const names = state.getAll("loader").filter((name) => boxes.some((box) => box.value === name));
    for (const box of boxes) box.checked = !names.length || names.includes(box.value);
    setTheme(THEMES.includes(state.get("theme")) ? state.get("theme") : "automatic");
  },
});
