"use strict";
// Chooses the numbers on an axis: 1, 2 and 5 or whole decades, in words such as "10 M", "6.1 GB" and "20 ms", as reports/units.py has them.
const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const GAP_PX = 14; // least room between the numbers

const short = (value) => String(Number(value.toPrecision(6)));

function withPrefix(value, prefixes, unit) {
  const [factor, prefix] = prefixes.find(([least]) => Math.abs(value) >= least * (1 - 1e-9)) || [1, ""];
  return `${short(value / factor)}${prefix || unit ? " " : ""}${prefix}${unit}`;
}

const WORDS = {
  count: (value) => withPrefix(value, PREFIXES, "").trim(),
  bytes: (value) => withPrefix(value, PREFIXES, "B"),
  seconds: (value) => (value === 0 ? "0 s" : withPrefix(value, [[1, ""], [1e-3, "m"], [1e-6, "u"], [1e-9, "n"]], "s")),
  share: (value) => `${short(value * 100)} %`,
  number: short,
};

function decadeTicks(low, high, steps, every) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low) / every) * every; power <= Math.log10(high); power += every) {
    for (const step of steps) {
      const value = Number(`${step}e${power}`);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) ticks.push(value);
    }
  }
  return ticks;
}

function evenTicks(low, high, most) {
  const rough = (high - low) / Math.max(most, 1);
  const power = Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => Number(`${factor}e${power}`)).find((factor) => factor >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high * (1 + 1e-9) + 1e-300; at += 1) ticks.push(Number((at * step).toPrecision(12)));
  return ticks;
}

// Returns whether numbers at these values do not come too close to each other. place: value to pixels. long: pixels that a number needs.
function haveRoom(values, place, long) {
  return values.every((value, index) => index === 0 || Math.abs(place(value) - place(values[index - 1])) >= (long(value) + long(values[index - 1])) / 2 + GAP_PX);
}

// Returns Plotly's ticks for a range of values. pixels: length of the axis. upright: a vertical axis, on which a number needs only its height.
function tidyTicks({ low, high, log, pixels, kind, size, upright }) {
  const words = WORDS[kind];
  const long = (value) => (upright ? size : widthOf(words(value), size));
  const place = (value) => (log ? Math.log10(value / low) / Math.log10(high / low) : (value - low) / (high - low)) * pixels;
  const candidates = [];
  if (log) {
    candidates.push([[1, 2, 5], 1], [[1, 3], 1], [[1], 1], [[1], 2], [[1], 3]);
    const choices = candidates.map(([steps, every]) => decadeTicks(low, high, steps, every));
    const best = choices.find((ticks) => ticks.length >= 2 && haveRoom(ticks, place, long));
    if (best) return { tickvals: best, ticktext: best.map(words) };
  }
  for (let most = 8; most >= 1; most -= 1) {
    const ticks = evenTicks(low, high, most);
    if (haveRoom(ticks, place, long)) return { tickvals: ticks, ticktext: ticks.map(words) };
  }
  return { tickvals: [low], ticktext: [words(low)] };
}

// Returns the ticks of an axis as its range is now, in Plotly's numbers: powers of ten on a log axis.
function ticksOf(axis, range, pixels, kind, size, upright) {
  const log = axis.type === "log";
  const [low, high] = [...range].sort((a, b) => a - b).map((end) => (log ? 10 ** end : end));
  return { tickmode: "array", ...tidyTicks({ low, high, log, pixels, kind, size, upright }) };
}

// Returns those of an axis' own ticks that have room, the last one first.
function thinned({ tickvals, ticktext }, [low, high], pixels, size) {
  const kept = [];
  let least = Infinity;
  for (let at = tickvals.length - 1; at >= 0; at -= 1) {
    const middle = ((tickvals[at] - low) / (high - low)) * pixels;
    const half = Math.max(...ticktext[at].split("<br>").map((text) => widthOf(plain(text), size))) / 2;
    if (middle + half + GAP_PX / 2 > least) continue;
    kept.unshift(at);
    least = middle - half;
  }
  return { tickmode: "array", tickangle: 0, tickvals: kept.map((at) => tickvals[at]), ticktext: kept.map((at) => ticktext[at]) };
}
