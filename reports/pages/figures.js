"use strict";
// What every page draws figures with, in the colours of the reader's scheme: put before the page's own script.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 40rem)");

function merged(base, more) {
  const result = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const both = value && base[key] && typeof value === "object" && !Array.isArray(value);
    result[key] = both ? merged(base[key], value) : value;
  }
  return result;
}

// The figure's layout over what all of a page's have in common; axes: what the page adds to each axis.
function layoutOf(figure, axes) {
  const style = getComputedStyle(document.documentElement);
  const line = style.getPropertyValue("--line").trim();
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true, ...axes };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: style.getPropertyValue("--ink").trim(), family: "system-ui, sans-serif", size: narrow.matches ? 11 : 13 },
    margin: { l: 8, r: 16, t: 8, b: 44 }, xaxis: axis, yaxis: axis,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
  };
  return merged(base, figure.layout);
}
