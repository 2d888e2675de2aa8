"use strict";
// Writes each loader's name at the end of its line, or beside its mark. No two names overlap. On a narrow figure, numbers stand for long names.
const FAR_PX = 60; // lines that end further than this from the right have their names beside their ends, if there is room
const LABEL_PX = 1.35; // distance of two names, as a multiple of the size of the font

// Spreads positions so that neighbours are at least `gap` apart and all are within 0 and `end`. Order is kept.
function spread(positions, gap, end) {
  const order = positions.map((position, index) => [position, index]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const result = [...positions];
  let least = gap / 2;
  for (const [position, index] of order) { result[index] = Math.max(position, least); least = result[index] + gap; }
  let most = end - gap / 2;
  for (const [, index] of order.reverse()) { result[index] = Math.min(result[index], most); most = result[index] - gap; }
  return result;
}

// Returns what stands for each name in the figure: the name if there is room for it, or its number and a line of the key.
function shortNames(names, room, width, size) {
  const plains = names.map(plain);
  const whole = Math.max(0, ...plains.map((name) => widthOf(name, size))) <= room;
  if (whole || width >= NARROW_PX) return { texts: plains.map((name) => fitted(name, room, size)), key: [] };
  return { texts: plains.map((_, index) => String(index + 1)), key: plains.map((name, index) => `${index + 1}  ${fitted(name, width - 40, size)}`) };
}

// Returns the lines of the key below the plot.
function keyBelow(key, colours, size, left, offset) {
  const step = Math.round(size * LINE_PX * 1.1);
  return key.flatMap((text, index) => {
    const common = { xref: "paper", yref: "paper", x: 0, y: 0, xanchor: "left", yanchor: "top", showarrow: false, yshift: -offset - index * step };
    return [
      { ...common, text: "●", xshift: -left + 4, font: { color: colours[index], size } },
      { ...common, text: escaped(text), xshift: -left + 4 + 1.3 * size, font: { size } },
    ];
  });
}

// Returns a line in pixels from one place of the plot to another. Both are measured from its right upper corner, downwards.
function leader([x0, y0], [x1, y1], colour) {
  return {
    type: "line", xref: "paper", yref: "paper", xanchor: 1, yanchor: 1, xsizemode: "pixel", ysizemode: "pixel",
    x0, x1, y0: -y0, y1: -y1, line: { color: colour, width: 1, dash: "dot" }, opacity: 0.8,
  };
}

// Returns whether a point is in the plot. A zoomed plot leaves some out.
function isInside([x, y], plot) {
  return x >= -1 && x <= plot.width + 1 && y >= -1 && y <= plot.height + 1;
}

// Returns what names must not cover of lines: small boxes along them, and the bars of their intervals. Null for marks, and for lines of too many points.
function along(ends, plot) {
  if (ends.some(({ path }) => !path)) return null;
  return ends.flatMap(({ path }) => {
    const points = path.map(([x, y]) => [plot.x(x), plot.y(y)]);
    const bars = path.map(([, , [low, high]], index) => ({ x0: points[index][0] - 5, x1: points[index][0] + 5, y0: plot.y(high) - 3, y1: plot.y(low) + 3 }));
    return bars.concat(points.slice(1).flatMap(([x1, y1], index) => {
      const [x0, y0] = points[index];
      const count = Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 6) + 1;
      return Array.from({ length: count }, (_, number) => [x0 + ((x1 - x0) * number) / count, y0 + ((y1 - y0) * number) / count])
        .map(([x, y]) => ({ x0: x - 4, x1: x + 4, y0: y - 4, y1: y + 4 }));
    }));
  });
}

const isFar = ([x], plot) => plot.width - x >= FAR_PX;

// Returns a piece of a line, which stands before its name.
function sample(y, { colour, dash }) {
  return { ...leader([-2, y], [13, y], colour), line: { color: colour, width: 2, dash: dash || "solid" }, opacity: 1 };
}

// Returns the places of names beside lines that end far from the right, where a dotted line to the column would cross the others. Null where there is no room:
// such a name has a piece of its line before it.
function innerPlaces(ends, points, texts, plot, size) {
  const taken = along(ends, plot);
  return points.map(([x, y], index) => {
    if (!taken || !isFar([x], plot) || !isInside([x, y], plot)) return null;
    const box = freePlace([x, y], widthOf(texts[index], size) + 6, size * LABEL_PX, taken, { ...plot, right: 0 });
    if (box) taken.push(box);
    return box;
  });
}

// Returns the names at the ends of the lines. plot: the drawn plot's axes and size.
function lineLabels(ends, texts, _lines, plot, size) {
  const points = ends.map(({ x, y }) => [plot.x(x), plot.y(y)]);
  const inner = innerPlaces(ends, points, texts, plot, size);
  const outer = points.map((_, index) => index).filter((index) => !inner[index]);
  const heights = spread(outer.map((index) => points[index][1]), size * LABEL_PX, plot.height);
  const places = points.map((_, index) => {
    const box = inner[index];
    return box ? [box.x0 + 3 - plot.width, (box.y0 + box.y1) / 2] : [16, heights[outer.indexOf(index)]];
  });
  const paths = ends.every(({ path }) => path);
  return {
    shapes: outer.filter((index) => isInside(points[index], plot)).map((index) => {
      const [[x, y], end] = [points[index], ends[index]];
      const far = paths && isFar([x], plot);
      return far ? sample(places[index][1], end) : leader([x - plot.width, y], [14, places[index][1]], end.colour);
    }),
    annotations: texts.map((text, index) => ({
      text: escaped(text), hovertext: ends[index].name, captureevents: true, xref: "paper", yref: "paper", x: 1, y: 1, xanchor: "left", yanchor: "middle",
      xshift: places[index][0], yshift: -places[index][1], showarrow: false, font: { size }, name: "loader",
    })),
  };
}

const overlap = (a, b) => a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;
const SIDES = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [-1, -1], [1, 1], [-1, 1]];

// Returns a free place for a text beside a point, or null if there is none near enough.
function freePlace([x, y], long, high, taken, plot) {
  for (const distance of [10, 14, 20]) {
    for (const [right, down] of SIDES) {
      const x0 = right > 0 ? x + distance : right < 0 ? x - distance - long : x - long / 2;
      const y0 = y - high / 2 + down * (distance + 2);
      const box = { x0, x1: x0 + long, y0, y1: y0 + high };
      const inside = x0 >= 0 && box.x1 <= plot.width + plot.right && y0 >= 0 && box.y1 <= plot.height;
      if (inside && !taken.some((other) => overlap(box, other))) return box;
    }
  }
  return null;
}

// Returns what names must not cover of a line that goes in steps: across before upwards (hv), or upwards before across (vh).
function steps({ x, y, line }, plot) {
  const points = x.map((value, index) => [plot.x(value), plot.y(y[index])]);
  return points.slice(1).flatMap(([x1, y1], index) => {
    const [x0, y0] = points[index];
    const [across, up] = line.shape === "hv" ? [y0, x1] : [y1, x0];
    return [
      { x0: Math.min(x0, x1) - 2, x1: Math.max(x0, x1) + 2, y0: across - 2, y1: across + 2 },
      { x0: up - 2, x1: up + 2, y0: Math.min(y0, y1) - 2, y1: Math.max(y0, y1) + 2 },
    ];
  });
}

// Returns what names must not cover: each mark, the bars of its intervals, and the lines.
function obstacles(ends, points, lines, plot) {
  return lines.flatMap((line) => steps(line, plot)).concat(ends.flatMap(({ bars }, index) => {
    const [x, y] = points[index];
    const [left, right, low, high] = [plot.x(bars.x[0]), plot.x(bars.x[1]), plot.y(bars.y[0]), plot.y(bars.y[1])];
    return [
      { x0: x - 7, x1: x + 7, y0: y - 7, y1: y + 7 },
      { x0: left - 3, x1: right + 3, y0: y - 4, y1: y + 4 },
      { x0: x - 4, x1: x + 4, y0: high - 3, y1: low + 3 },
    ];
  }));
}

// Returns the names beside the marks, or null if there is no room for all of them.
function markLabels(ends, texts, lines, plot, size) {
  const points = ends.map(({ x, y }) => [plot.x(x), plot.y(y)]);
  const taken = obstacles(ends, points, lines, plot);
  const annotations = [];
  const order = points.map((_, index) => index).filter((index) => isInside(points[index], plot)).sort((a, b) => points[a][1] - points[b][1]);
  for (const index of order) {
    const box = freePlace(points[index], widthOf(texts[index], size) + 6, size * LABEL_PX, taken, plot);
    if (!box) return null;
    taken.push(box);
    annotations.push({
      text: escaped(texts[index]), hovertext: ends[index].name, captureevents: true, xref: "paper", yref: "paper", x: 1, y: 1, xanchor: "left", yanchor: "middle",
      xshift: box.x0 + 3 - plot.width, yshift: -(box.y0 + box.y1) / 2, showarrow: false, font: { size }, name: "loader",
    });
  }
  return { shapes: [], annotations };
}
