// Keeps the reader's zoom of each figure and profile in the page's address, and shows it again.
const zooms = new Map(); // "figure axis" -> [first, last]
const keepers = new Map(); // what listens to a figure's zoom
const charts = new Map(); // the charts of profiles, by id
const SETTLED_MS = 300;

views.push({
  save(state) {
    for (const [key, range] of zooms) state.append("zoom", [key, ...range.map((value) => Number(value.toPrecision(6)))].join(" "));
  },
  show(state) {
    zooms.clear();
    for (const text of state.getAll("zoom")) {
      const [figure, axis, first, last] = text.split(" ");
      const range = [Number(first), Number(last)];
      if (/^[xy]axis\d*$/.test(axis) && range.every(Number.isFinite) && range[0] !== range[1]) zooms.set(`${figure} ${axis}`, range);
    }
  },
});

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

showsAddress(() => {
  filter();
  charts.forEach(showSpan);
});
