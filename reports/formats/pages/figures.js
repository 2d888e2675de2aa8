"use strict";
// Shared by all pages: draws figures in the colours of the reader's scheme. It is put before the page's own script.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const PAPER_PX = 640;
let printing = false;
const narrow = window.matchMedia("(max-width: 40rem)");

function merged(base, more) {
  const result = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const nested = value && base[key] && typeof value === "object" && !Array.isArray(value);
    result[key] = nested ? merged(base[key], value) : value;
  }
  return result;
}

// Returns the figure's layout, merged over the layout that all figures of a page share. axes: settings that the page adds to each axis.
function layoutOf(figure, axes) {
  const style = getComputedStyle(document.documentElement);
  const line = style.getPropertyValue("--line").trim();
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true, ...axes };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: style.getPropertyValue("--ink").trim(), family: "system-ui, sans-serif", size: narrow.matches ? 11 : 13 },
    margin: { l: 8, r: 16, t: 8, b: 44 }, xaxis: axis, yaxis: axis,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, ...(printing ? { width: PAPER_PX } : {}),
  };
  return merged(base, figure.layout);
}

// Prints with every section open and in the light theme, whatever the reader's theme. Afterwards the page is as before.
function printsWith(draw) {
  const root = document.documentElement;
  let folded = [];
  let theme;
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
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
