"use strict";
// Saves a figure as SVG or PNG: in the light theme, with its title and the basis of its numbers above it.
const SAVED_PX = 900;
const PNG_SCALE = 2;
const LIGHT = { paper_bgcolor: "#ffffff", font: { color: "#1a1d21" } };

function filled(words, width, size) {
  const lines = [];
  for (const word of words.split(" ")) {
    if (lines.length && widthOf(`${lines.at(-1)} ${word}`, size) <= width) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

// Returns the layout with room for the title and the basis.
function titled(layout, title, basis) {
  const lines = filled(basis, SAVED_PX - 40, 12);
  const head = 48 + 16 * lines.length;
  const subtitle = { text: lines.map(escaped).join("<br>"), font: { size: 12 } };
  return merged(layout, {
    ...LIGHT, height: (layout.height || 360) + head, margin: { t: (layout.margin.t || 0) + head },
    title: { text: escaped(title), subtitle, x: 0, xref: "container", xanchor: "left", y: 1, yref: "container", yanchor: "top", pad: { l: 12, t: 12 }, font: { size: 18 } },
  });
}

// Returns a promise of the figure's image, as Plotly.toImage gives it.
async function imageOf(figure, traces, title, basis, options) {
  const root = document.documentElement;
  const place = document.createElement("div");
  place.style.position = "absolute";
  place.style.left = "-10000px";
  document.body.append(place);
  const theme = root.dataset.theme;
  root.dataset.theme = "light";
  try {
    drawFigure(figure, traces, place, { width: SAVED_PX, adapt: (layout) => titled(layout, title, basis) });
  } finally {
    if (theme === undefined) root.removeAttribute("data-theme");
    else root.dataset.theme = theme;
  }
  try {
    return await Plotly.toImage(place, { ...options, width: SAVED_PX, height: place.layout.height });
  } finally {
    Plotly.purge(place);
    place.remove();
  }
}

// Lets each button with data-save="NAME" save its figure. tracesOf: returns the traces that the reader sees.
function savesFigures(figureOf, tracesOf) {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest ? target.closest("[data-save]") : null;
    if (!button) return;
    const { save: name, form } = button.dataset;
    const section = button.closest("section");
    const [title, basis, cut] = ["h2, h3, h4", ".basis", ".cut"].map((selector) => (section.querySelector(selector) || { textContent: "" }).textContent);
    const figure = figureOf(name);
    const bars = figure.data.some((trace) => trace.error_x || trace.error_y) ? "Bars: 95 % confidence intervals (Student t)." : "";
    const words = [basis, bars, cut].filter(Boolean).join(" ");
    const link = document.createElement("a");
    link.href = await imageOf(figure, tracesOf(figure), title, words, { format: form, scale: form === "png" ? PNG_SCALE : 1 });
    link.download = `${name}.${form}`;
    link.click();
  });
}
