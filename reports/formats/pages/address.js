// Keeps the reader's view in the page's address: place, filter, chosen loaders, sorted column, theme and zoom. A link shows the same view.
const zooms = new Map(); // "figure axis" -> [first, last]
const keepers = new Map(); // what listens to a figure's zoom
const charts = new Map(); // the charts of profiles, by id
const SETTLED_MS = 300;
let place = "";

function remember() {
  const state = new URLSearchParams();
  if (place) state.set("at", place);
  if (filterWords()) state.set("filter", filterWords());
  if (boxes.some((box) => !box.checked)) for (const box of boxes) if (box.checked) state.append("loader", box.value);
  const sorted = document.querySelector("#table [aria-sort]");
  if (sorted) state.set("sort", `${sorted.getAttribute("aria-sort")} ${sorted.textContent}`);
  const theme = document.getElementById("theme").dataset.now;
  if (theme !== "automatic") state.set("theme", theme);
  for (const [key, range] of zooms) state.append("zoom", [key, ...range.map((value) => Number(value.toPrecision(6)))].join(" "));
  const hash = [...state.keys()].join() === "at" ? encodeURIComponent(place) : state.toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.href.split("#")[0]);
}

// Shows the view that the address names. What it does not name is as on a new page, and what the page lacks is ignored.
function restore() {
  const hash = location.hash.slice(1);
  const state = new URLSearchParams(hash.includes("=") ? hash : { at: decodeURIComponent(hash) });
  place = document.getElementById(state.get("at") || "") ? state.get("at") : "";
  document.getElementById("filter").value = state.get("filter") || "";
  const names = state.getAll("loader").filter((name) => boxes.some((box) => box.value === name));
  for (const box of boxes) box.checked = !names.length || names.includes(box.value);
  const [direction, ...words] = (state.get("sort") || "").split(" ");
  const head = [...document.querySelectorAll("#table thead th")].find((cell) => cell.textContent === words.join(" "));
  if (head) order(head, direction === "ascending");
  zooms.clear();
  for (const text of state.getAll("zoom")) {
    const [figure, axis, first, last] = text.split(" ");
    const range = [Number(first), Number(last)];
    if (/^[xy]axis\d*$/.test(axis) && range.every(Number.isFinite) && range[0] !== range[1]) zooms.set(`${figure} ${axis}`, range);
  }
  setTheme(THEMES.includes(state.get("theme")) ? state.get("theme") : "automatic");
  filter();
  charts.forEach(showSpan);
  if (place && hash.includes("=")) document.getElementById(place).scrollIntoView();
}

// Returns the layout with the figure's axes where the reader left them. Paper shows all of a figure. Ranges are copied, because
// Plotly writes into them.
function zoomed(figure, layout) {
  const result = { ...layout };
  for (const axis of ["xaxis", "yaxis"]) if (layout[axis] && layout[axis].range) result[axis] = { ...layout[axis], range: [...layout[axis].range] };
  for (const [key, range] of printing ? [] : zooms) {
    const [name, axis] = key.split(" ");
    if (name === figure && layout[axis]) result[axis] = { ...layout[axis], range: [...range], autorange: false };
  }
  return result;
}

function watchZoom(element) {
  if (!keepers.has(element)) keepers.set(element, (changes) => keepZoom(element, changes));
  element.removeListener("plotly_relayout", keepers.get(element));
  element.on("plotly_relayout", keepers.get(element));
}

// changes: the settings that the reader changed, "xaxis.range[0]" and so on, or "xaxis.autorange" after a double click.
function keepZoom(element, changes) {
  for (const setting of Object.keys(changes)) {
    const [, axis, kind] = /^([xy]axis\d*)\.(range|autorange)/.exec(setting) || [];
    if (!axis) continue;
    const range = element.layout[axis].range;
    const whole = (figures.find(({ name }) => name === element.id).layout[axis] || {}).range;
    const zoomedIn = kind === "range" && !(whole && whole.every((value, index) => Math.abs(value - range[index]) < 1e-9));
    if (zoomedIn && range.every((value) => Number.isFinite(value))) zooms.set(`${element.id} ${axis}`, [...range]);
    else zooms.delete(`${element.id} ${axis}`);
  }
  remember();
}

// Shows the span of a profile's chart that the address names, or all of it. chart: has from, to, full, view and show(from, to).
function showSpan(chart, id) {
  chart.show(...(zooms.get(`${id} xaxis`) || [0, chart.full]));
}

// Keeps the span that the reader shows. It is written once the reader pauses, because browsers limit changes of the address.
function keepSpan(id, chart) {
  let timer;
  charts.set(id, chart);
  showSpan(chart, id);
  new MutationObserver(() => {
    if (chart.to - chart.from < chart.full * 0.999) zooms.set(`${id} xaxis`, [chart.from, chart.to]);
    else zooms.delete(`${id} xaxis`);
    clearTimeout(timer);
    timer = setTimeout(remember, SETTLED_MS);
  }).observe(chart.view, { attributes: true, attributeFilter: ["data-from", "data-to"] });
}

const contents = document.getElementById("contents");
for (const heading of document.querySelectorAll("main h2[id], main h3[id]")) {
  const link = document.createElement("a");
  link.href = `#${heading.id}`;
  link.className = "self";
  link.append(...heading.childNodes);
  heading.append(link);
  if (heading.tagName !== "H2") continue;
  const item = document.createElement("li");
  const entry = document.createElement("a");
  entry.href = link.href;
  entry.textContent = heading.textContent;
  item.append(entry);
  contents.append(item);
}
restore();
window.addEventListener("hashchange", () => {
  if (location.hash.includes("=")) restore();
  else { place = decodeURIComponent(location.hash.slice(1)); remember(); }
});
