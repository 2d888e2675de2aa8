"use strict";
// Shared by all pages: draws figures in the colours of the reader's scheme, as wide as their place and as high as what they hold.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const PAPER_PX = 640;
const PAPER_PLOT_PX = 200;
const COLUMN_PX = 308; // width of one of two columns on paper
const PLOT_PX = 300; // height of a plot that has no rows
const MOST_BESIDE = 5; // with more marks than this, their names stand in a column
const MOST_PATH = 60; // points of a line up to which names stay clear of it
const NO_LABELS = { shapes: [], annotations: [] };
let printing = false;

function merged(base, more) {
  const result = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const nested = value && base[key] && typeof value === "object" && !Array.isArray(value);
    result[key] = nested ? merged(base[key], value) : value;
  }
  return result;
}

// Returns a colour of the reader's theme. otherwise: the colour on a page without themes.
function colour(name, otherwise) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || otherwise;
}

// Returns the layout that all figures of a page share.
function baseLayout(size) {
  const line = colour("--line", "#d5d9de");
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true, title: { standoff: 10, font: { size } } };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("--ink", "#1a1d21"), family: FAMILY, size },
    margin: { l: 8, r: 16, t: 8, b: 44 }, xaxis: axis, yaxis: axis, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
  };
}

const visible = (trace) => trace.visible !== false && trace.visible !== "legendonly";

// Returns the ends of a point's bar, which are the point itself if it has none.
function barOf(trace, axis, at) {
  const bars = trace[`error_${axis}`];
  const value = trace[axis][at];
  return bars && bars.array[at] !== null ? [value - bars.arrayminus[at], value + bars.array[at]] : [value, value];
}

// Returns the last point of each line or mark that has a name.
function endsOf(traces) {
  return traces.filter((trace) => visible(trace) && trace.meta && trace.meta.loader !== undefined && !trace.meta.pale).map((trace) => {
    let at = trace.y.length - 1;
    while (at > 0 && trace.y[at] === null) at -= 1;
    const bars = { x: barOf(trace, "x", at), y: barOf(trace, "y", at) };
    const path = trace.x.length > 1 && trace.x.length <= MOST_PATH ? trace.x.map((x, index) => [x, trace.y[index], barOf(trace, "y", index)]).filter(([, y]) => y !== null) : null;
    return { x: trace.x[at], y: trace.y[at], bars, path, name: trace.name, colour: trace.line ? trace.line.color : trace.marker.color, dash: (trace.line || {}).dash };
  });
}

// Returns the layout of a figure whose lines or marks have names, without these: they are placed once the axes are known.
// column: the names stand in a column on the right, and not beside the marks.
function namedLayout(figure, traces, column, width, size) {
  const ends = endsOf(traces);
  const lines = traces.filter((trace) => visible(trace) && (trace.meta || {}).frontier);
  const room = column ? Math.min(0.36 * width, 340) : Math.min(0.5 * width, 340);
  const { texts, key } = shortNames(ends.map(({ name }) => name), room, width, size);
  const gap = size * LABEL_PX;
  const plot = Math.max(printing ? PAPER_PLOT_PX : PLOT_PX, ends.length * gap * (column ? 1.1 : 1.6));
  const below = key.length ? key.length * Math.round(size * LINE_PX * 1.1) + 6 : 0;
  const second = (figure.layout.xaxis.ticktext || []).some((text) => text.includes("<br>")) ? Math.round(1.5 * size) : 0;
  const bottom = Math.round(3.6 * size) + second;
  const left = Math.round(4.6 * size + 16);
  const right = column ? Math.ceil(Math.max(0, ...texts.map((text) => widthOf(text, size)))) + 22 : 16;
  const layout = {
    height: 12 + plot + bottom + below, margin: { l: left, r: right, t: 12, b: bottom + below }, showlegend: false,
    xaxis: { automargin: false, title: { standoff: 6 }, ticklabelstandoff: 5 }, yaxis: { automargin: false, title: { standoff: 8 }, ticklabelstandoff: 5 },
  };
  return { layout, ends, texts, lines, column, below: keyBelow(key, ends.map(({ colour }) => colour), size, left, bottom) };
}

// Returns the size of the plot, and functions from values to pixels. ranges: the axes' ranges in Plotly's numbers.
function plotOf(layout, ranges) {
  const { l, r, t, b } = layout.margin;
  const [width, height] = [layout.width - l - r, layout.height - t - b];
  const place = (axis, pixels) => {
    const [low, high] = ranges[axis];
    return (value) => (((layout[axis].type === "log" ? Math.log10(value) : value) - low) / (high - low)) * pixels;
  };
  const y = place("yaxis", height);
  return { x: place("xaxis", width), y: (value) => height - y(value), width, height, right: r };
}

// Returns the names of lines or marks where the axes put them, or null if they need a column.
function labelsOf(named, plot, size) {
  if (!named) return NO_LABELS;
  return (named.column ? lineLabels : markLabels)(named.ends, named.texts, named.lines, plot, size);
}

// Returns the layout with what depends on its axes: their numbers, and the names of lines and marks.
function completed(figure, layout, named, labels, plot, ranges, size) {
  const ticks = {};
  for (const [axis, kind] of Object.entries(figure.layout.meta.ticks || {})) {
    const upright = axis === "yaxis";
    ticks[axis] = ticksOf(layout[axis], ranges[axis], upright ? plot.height : plot.width, kind, size, upright);
  }
  if (layout.xaxis.tickvals) ticks.xaxis = thinned(figure.layout.xaxis, ranges.xaxis, plot.width, size);
  return {
    ...merged(layout, ticks),
    shapes: [...(layout.shapes || []), ...labels.shapes],
    annotations: [...(layout.annotations || []), ...labels.annotations, ...(named ? named.below : [])],
  };
}

function paperWidth(element) {
  return element.closest(".wide") || element.classList.contains("plain") ? PAPER_PX : COLUMN_PX;
}

// Draws a figure into its element. traces: the figure's own, or those of them that the reader wants to see. more: width, a function
// that adapts the layout, and whether the names of marks need a column.
function drawFigure(figure, traces = figure.data, element = document.getElementById(figure.name), more = {}) {
  const width = more.width || (printing ? paperWidth(element) : element.clientWidth);
  const size = width < NARROW_PX ? 11 : 13;
  const base = merged(baseLayout(size), figure.layout);
  const { form } = figure.layout.meta || {};
  const adapt = more.adapt || ((layout) => layout);
  const options = { responsive: !form, displayModeBar: false, doubleClickDelay: 600 };
  if (!form) return Plotly.react(element, traces, adapt(merged(base, printing || more.width ? { width } : {})), options);
  const column = form === "lines" || more.column || endsOf(traces).length > MOST_BESIDE;
  const named = form === "rows" ? null : namedLayout(figure, traces, column, width, size);
  const layout = adapt(merged(base, { ...(named ? named.layout : rowsLayout(figure, rowsOf(figure, traces), width, size)), width, showlegend: false }));
  const ranges = { xaxis: layout.xaxis.range, yaxis: layout.yaxis.range };
  const plot = plotOf(layout, ranges);
  const labels = labelsOf(named, plot, size);
  if (!labels) return drawFigure(figure, traces, element, { ...more, column: true });
  element.style.height = `${layout.height}px`;
  const done = Plotly.react(element, traces, completed(figure, layout, named, labels, plot, ranges, size), options);
  element.removeAllListeners("plotly_relayout");
  element.on("plotly_relayout", (change) => {
    if (Object.keys(change).some((key) => key.includes("range"))) placeAnew(figure, element, layout, named, size);
  });
  return done;
}

// Places numbers and names anew after the reader zoomed.
function placeAnew(figure, element, layout, named, size) {
  const { xaxis, yaxis } = element._fullLayout;
  const ranges = { xaxis: xaxis.range, yaxis: yaxis.range };
  const plot = plotOf(layout, ranges);
  const labels = labelsOf(named, plot, size) || NO_LABELS;
  const { shapes, annotations, ...complete } = completed(figure, layout, named, labels, plot, ranges, size);
  const change = { shapes, annotations };
  for (const axis of Object.keys(figure.layout.meta.ticks || {})) {
    for (const key of ["tickmode", "tickvals", "ticktext"]) change[`${axis}.${key}`] = complete[axis][key];
  }
  Plotly.relayout(element, change);
}

// Returns the labels of the rows that the traces draw, in the figure's order.
function rowsOf(figure, traces) {
  const drawn = new Set(traces.filter(visible).flatMap((trace) => trace.y));
  return figure.layout.yaxis.categoryarray.filter((label) => drawn.has(label));
}

// Calls draw whenever the place of the figures gets another width.
function drawAtEachWidth(draw) {
  let width = document.documentElement.clientWidth;
  new ResizeObserver(() => {
    const now = document.documentElement.clientWidth;
    if (now === width || printing) return;
    width = now;
    draw();
  }).observe(document.documentElement);
}

// Prints in the light theme, whatever the reader's theme, and with every section open but the figures' data tables. Afterwards the page is as before.
function printsWith(draw) {
  const root = document.documentElement;
  let folded = [];
  let theme;
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open]):not(.data)")];
    theme = root.dataset.theme;
    folded.forEach((details) => { details.open = true; });
    root.dataset.theme = "light";
    printing = true;
    draw();
  });
  window.addEventListener("afterprint", () => {
    folded.forEach((details) => { details.open = false; });
    if (theme === undefined) root.removeAttribute("data-theme");
    else root.dataset.theme = theme;
    printing = false;
    document.querySelectorAll(".js-plotly-plot").forEach(Plotly.purge); // otherwise they keep the width of the paper
    draw();
  });
}
