"use strict";
// Lays out a figure with a row for each loader: names on the left, or above the rows on a narrow page, and numbers on the right.
const ROW_PX = 34;
const TWO_LINES_PX = 40; // height of a row whose name has two lines
const NARROW_PX = 520; // figures narrower than this have names above the rows
const EDGE_PX = 4;

// Returns the key of a figure as annotations above the plot. They are wrapped to the width, and `height` is theirs.
function keyOf(items, width, size, left, above) {
  const lines = [[]];
  let end = 0;
  for (const [sign, colour, words] of items) {
    const text = fitted(words, width - 2 * size, size);
    const long = widthOf(text, size) + 2.6 * size;
    if (end && end + long > width) { lines.push([]); end = 0; }
    lines.at(-1).push({ sign, colour, text, at: end });
    end += long;
  }
  const step = Math.round(size * 1.5);
  const annotations = lines.flatMap((line, number) => line.flatMap(({ sign, colour, text, at }) => {
    const common = { xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "top", showarrow: false, yshift: step * (lines.length - number) + above };
    return [
      { ...common, text: sign, xshift: at - left, font: { color: colour, size } },
      { ...common, text: escaped(text), xshift: at - left + 1.2 * size, font: { size } },
    ];
  }));
  return { annotations, height: items.length ? step * lines.length + 6 : 0 };
}

function headOf(text, size, right, soft) {
  return text ? [{ text, xref: "paper", yref: "paper", x: 1, y: 1, xanchor: "right", yanchor: "bottom", xshift: right, yshift: 2, showarrow: false, font: { size: size - 1, color: soft } }] : [];
}

function separator(y) {
  return { type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: y, y1: y, layer: "below", line: { color: colour("--line", "#d5d9de"), width: 1 } };
}

// Returns names for the parts of stacked bars: each once, where its part is longest, if there is room that no mark needs. Returns also the
// names that the key need not have: those, and those of parts that are nowhere to be seen.
function partNames(figure, shown, pixels, size) {
  const [low, high] = figure.layout.xaxis.range;
  const place = (value) => ((value - low) / (high - low)) * pixels;
  const bars = figure.data.filter(({ type }) => type === "bar");
  const ends = shown.map(() => 0);
  const longest = new Map(bars.map(({ name }) => [name, { long: 0 }]));
  for (const { name, x, y } of bars) {
    y.forEach((label, index) => {
      const row = shown.indexOf(label);
      if (row < 0) return;
      const from = ends[row];
      ends[row] += x[index];
      const long = place(ends[row]) - place(from);
      if (long > longest.get(name).long) longest.set(name, { long, row, from: place(from) });
    });
  }
  const annotations = [];
  const known = new Set([...longest].filter(([, { long }]) => long < 1).map(([name]) => name));
  for (const [name, { long, row, from }] of longest) {
    const marks = figure.data.filter(({ type }) => type === "scatter").map(({ x, y }) => place(x[y.indexOf(shown[row])]));
    for (const text of [name, name.split(" (")[0]]) {
      const half = widthOf(text, size - 2) / 2 + 5;
      const middle = [0.5, 0.35, 0.65, 0.2, 0.8].map((share) => from + share * long)
        .find((at) => at - half >= from && at + half <= from + long && marks.every((mark) => Math.abs(mark - at) > half + 7));
      if (known.has(name) || middle === undefined) continue;
      known.add(name);
      annotations.push({
        text: escaped(text), x: low + (middle / pixels) * (high - low), y: row, xref: "x", yref: "y", showarrow: false, captureevents: false,
        font: { size: size - 2 }, bgcolor: colour("--paper", "#ffffff"), borderpad: 1, name: "part",
      });
    }
  }
  return { annotations, known };
}

// Returns the layout of rows for this width. shown: escaped labels of the loaders that are drawn.
function rowsLayout(figure, shown, width, size) {
  const soft = colour("--soft", "#545b64");
  const meta = figure.layout.meta;
  const beside = width >= NARROW_PX;
  const values = shown.map((label) => plain(String((meta.values || {})[label] ?? "").replace("<br>", "\n")));
  const longest = Math.max(0, ...values.flatMap((text) => text.split("\n")).map((text) => widthOf(text, size)), beside ? widthOf(meta.head || "", size - 1) : 0);
  const names = shown.map(plain);
  const room = Math.min(0.36 * width, 400);
  const lines = names.map((name) => (beside ? wrapped(name, room, size) : [name]));
  const left = beside ? Math.ceil(Math.max(40, ...lines.flat().map((text) => widthOf(text, size)))) + 14 : EDGE_PX + 6;
  const right = beside ? Math.ceil(longest) + 18 : EDGE_PX + 6;
  const tall = lines.some((words) => words.length > 1) || values.some((text) => text.includes("\n"));
  const row = beside ? (tall ? TWO_LINES_PX : ROW_PX) : Math.round(ROW_PX + 1.6 * size);
  const head = meta.head ? Math.round(1.6 * size) : 0;
  const parts = partNames(figure, shown, width - left - right, size);
  const key = keyOf((meta.key || []).filter(([, , words]) => !parts.known.has(words)), width - 8, size, left, head + 6);
  const top = key.height + head + 8;
  const bottom = Math.round(3.4 * size);
  const middle = beside ? 0.5 : 0.66; // where in its row the mark is, from above
  const above = Math.round(row * middle - 0.9 * size);
  const annotations = shown.flatMap((label, number) => {
    const paper = beside ? {} : { bgcolor: colour("--paper", "#ffffff"), borderpad: 0 }; // hides the lines behind the text
    const common = { xref: "paper", yref: "y", y: number, showarrow: false, font: { size }, ...paper };
    const text = beside ? values[number].split("\n") : [values[number].replace("\n", ", ")];
    const space = width - 12 - (text[0] ? widthOf(text[0], size) + 16 : 0);
    const name = beside ? lines[number] : [fitted(names[number], space, size)];
    const long = { text: name.map(escaped).join("<br>"), hovertext: label, captureevents: true, name: "loader" };
    const value = { text: text.map(escaped).join("<br>"), name: "value" };
    return beside
      ? [{ ...common, ...long, x: 0, xanchor: "right", xshift: -10, align: "right" }, { ...common, ...value, x: 1, xanchor: "left", xshift: 10, align: "left" }]
      : [{ ...common, ...long, x: 0, xanchor: "left", xshift: -6, yshift: above }, { ...common, ...value, x: 1, xanchor: "right", xshift: 6, yshift: above }];
  });
  return {
    height: top + bottom + row * Math.max(shown.length, 1),
    margin: { l: left, r: right, t: top, b: bottom },
    annotations: [...annotations.filter((annotation) => annotation.text), ...parts.annotations, ...key.annotations, ...headOf(meta.head, size, right - EDGE_PX, soft)],
    shapes: [...(figure.layout.shapes || []), ...shown.slice(1).map((_, number) => separator(number + 1 - middle))],
    yaxis: {
      categoryarray: shown, autorange: false, range: [shown.length - middle, -middle], showticklabels: false, fixedrange: true,
      showgrid: false, title: { text: "" }, automargin: false, ticks: "",
    },
    xaxis: { automargin: false, title: { standoff: 6 } },
  };
}
