"use strict";
// Draws the figures of the page's JSON when they come to be open, in the colours of the reader's scheme; filters tables by typing.
const found = document.getElementById("figures-data");
const figures = new Map((found ? JSON.parse(found.textContent) : []).map((figure) => [figure.name, figure]));
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 40rem)");
const drawn = new Set();

function merged(base, more) {
  const result = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const both = value && base[key] && typeof value === "object" && !Array.isArray(value);
    result[key] = both ? merged(base[key], value) : value;
  }
  return result;
}

function draw(name) {
  const figure = figures.get(name);
  const style = getComputedStyle(document.documentElement);
  const line = style.getPropertyValue("--line").trim();
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: style.getPropertyValue("--ink").trim(), family: "system-ui, sans-serif", size: narrow.matches ? 11 : 13 },
    margin: { l: 8, r: 16, t: 8, b: 44 }, xaxis: axis, yaxis: axis,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
  };
  Plotly.react(name, figure.data, merged(base, figure.layout), { responsive: true, displayModeBar: false });
  drawn.add(name);
}

function drawOpen() {
  for (const place of document.querySelectorAll(".figure")) {
    const folded = place.closest("details");
    if (!drawn.has(place.id) && (!folded || folded.open)) draw(place.id);
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

drawOpen();
document.addEventListener("toggle", drawOpen, true);
for (const query of [dark, narrow]) query.addEventListener("change", () => drawn.forEach(draw));
const box = document.getElementById("filter");
if (box) box.addEventListener("input", () => filter(box.value.toLowerCase().split(/\s+/).filter(Boolean)));
