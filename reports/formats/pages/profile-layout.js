"use strict";
// Puts the bars of a profile's lanes into rows, and gives them colours and words. profile.js draws them.
const profileLayout = (() => {
  const ROW_PX = 17;
  const MAX_ROWS = 8;
  const TITLE_PX = 16;
  const GAP_PX = 7;
  const HEAD_PX = 58;
  const UNITS = [[1, "s"], [1e-3, "ms"], [1e-6, "us"], [1e-9, "ns"]];
  const SIZES = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
  const WAITS = /^(?!.*Async)(cu\w*Synchronize|cudaMemcpy|cudaFree|cudaMalloc)/; // as in bench/profiling/tables.py
  const KINDS = { ranges: "ranges", functions: "functions", calls: "CUDA calls", kernels: "kernels", copies: "copies", worker: "batches", flame: "" };

  const digits = (value) => Number(value.toPrecision(3)).toString();

  function scaled(value, units) {
    const [factor, unit] = units.find(([size]) => Math.abs(value) >= size * 0.9995) || units[units.length - 1];
    return `${digits(value / factor)} ${unit}`;
  }

  const seconds = (value) => (value === 0 ? "0 s" : scaled(value, UNITS));
  const size = (value) => scaled(value, SIZES);

  // Returns the part of a name that tells it apart: a function without namespaces, template arguments and parameters.
  function short(name) {
    let text = name.replace(/\(anonymous namespace\)::/g, "");
    const file = text.match(/^(.*) \(([^()]*\.pyx?|<[^>]*>)\)$/);
    if (file) return file[1].replace(/<locals>\./g, "").split(".").slice(-2).join(".");
    for (let before = ""; before !== text;) [before, text] = [text, text.replace(/<[^<>]*>/g, "")];
    const base = text.replace(/^void /, "").replace(/\(.*$/, "").replace(/[<(].*$/, "");
    return base.split("::").pop().trim() || name;
  }

  // Returns the row of each bar: bars that lie within another one of the same lane are below it.
  function rowsOf(lane) {
    const open = [];
    return lane.start.map((start, index) => {
      while (open.length && open[open.length - 1] <= start + 1e-10) open.pop();
      open.push(start + lane.length[index]);
      return open.length - 1;
    });
  }

  // Returns a function from a time to the part of the step in which the consumer was.
  function partAt(group) {
    const main = group.lanes.find((lane) => lane.kind === "ranges" && lane.title === "main");
    const spans = [];
    if (main) main.start.forEach((start, index) => {
      const name = main.names[main.name[index]];
      if (["next", "forward", "backward", "optimizer"].includes(name)) spans.push([start, start + main.length[index], name]);
    });
    return (at) => {
      let [low, high] = [0, spans.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (spans[middle][0] <= at) low = middle + 1;
        else high = middle;
      }
      const span = spans[low - 1];
      return span && at <= span[1] ? span[2] : "step";
    };
  }

  function hash(text) {
    let value = 7;
    for (const letter of text) value = (value * 31 + letter.codePointAt(0)) % 9973;
    return value;
  }

  // Returns the word whose colour a bar has: a range's name, the part that launched or called it, or a function's library.
  function keyOf(lane, index, part, parts) {
    const name = lane.names[lane.name[index]];
    if (lane.kind === "ranges") return name;
    if (lane.kind === "worker") return "decode";
    if (lane.kind === "flame") return `library ${hash((name.match(/\(([^/()]*)/) || [, ""])[1]) % 4}`;
    if (lane.kind === "calls" && WAITS.test(name)) return "waits for the device";
    if (lane.part && lane.part.length) return parts[lane.part[index]];
    if (lane.kind === "kernels" || lane.kind === "copies") return "other";
    return lane.title === "main" || /autograd/.test(lane.title + lane.names[0]) ? part(lane.start[index]) : "other";
  }

  function idle(lanes) {
    const busy = [];
    for (const lane of lanes) if (lane.kind === "kernels" || lane.kind === "copies") {
      lane.start.forEach((start, index) => busy.push([start, start + lane.length[index]]));
    }
    return busy.sort((left, right) => left[0] - right[0]);
  }

  // Returns the times between the first and the last step in which the device did nothing.
  function gapsOf(group) {
    const busy = idle(group.lanes);
    if (!busy.length) return [];
    const gaps = [];
    let at = 0;
    for (const [start, end] of busy) {
      if (start > at) gaps.push([at, start]);
      at = Math.max(at, end);
    }
    if (group.length > at) gaps.push([at, group.length]);
    return gaps;
  }

  // Places groups and lanes from top to bottom. Returns { bars, lanes, groups, height }.
  function place(groups, parts) {
    const placed = { bars: [], lanes: [], groups: [], height: 0, links: new Map() };
    let y = 0;
    for (const group of groups) {
      const part = partAt(group);
      const placedGroup = { group, y, gaps: gapsOf(group), lanes: [] };
      y += group.lanes.length ? HEAD_PX : 0;
      for (const lane of group.lanes) {
        const rows = lane.row || rowsOf(lane);
        const limit = lane.kind === "flame" ? Infinity : MAX_ROWS;
        const count = Math.min(rows.reduce((most, row) => Math.max(most, row + 1), 1), limit);
        const placedLane = { lane, group, y, top: y + TITLE_PX, rows: count, bars: [], title: lane.kind === "flame" ? "" : `${lane.title} ${KINDS[lane.kind]}` };
        lane.start.forEach((start, index) => {
          const row = rows[index];
          if (row >= limit) return;
          const name = lane.names[lane.name[index]];
          const bar = {
            lane: placedLane, index, start, length: lane.length[index], end: start + lane.length[index], name, label: name ? short(name) : "all samples",
            y: placedLane.top + row * ROW_PX, key: keyOf(lane, index, part, parts), link: lane.link && lane.link.length ? lane.link[index] : 0,
          };
          placedLane.bars.push(bar);
          if (bar.link) placed.links.set(bar.link, [...(placed.links.get(bar.link) || []), bar]);
        });
        y = placedLane.top + count * ROW_PX + GAP_PX;
        placedGroup.lanes.push(placedLane);
        placed.lanes.push(placedLane);
        placed.bars.push(...placedLane.bars);
      }
      placedGroup.bottom = y;
      y += GAP_PX * 2;
      placed.groups.push(placedGroup);
    }
    placed.height = y;
    return placed;
  }

  const isCall = (bar) => bar.lane.lane.kind === "calls";

  // Returns the calls and the work that belong to a bar: the other ends of its arrows.
  const ends = (placed, bar) => (bar.link ? placed.links.get(bar.link).filter((other) => isCall(other) !== isCall(bar)) : []);

  // Describes a bar in one sentence.
  function describe(placed, bar, parts) {
    const { lane, group } = bar.lane;
    const words = [`${bar.name || "all samples"}: ${seconds(bar.length)}`];
    if (lane.kind === "flame") {
      const total = bar.lane.bars[0].length;
      return `${words[0]} of samples, ${digits((bar.length / total) * 100)} % of ${lane.title}, called by ${callers(bar)}`;
    }
    const step = [...group.marks].reverse().find(([, start]) => start <= bar.start + 1e-10);
    words.push(`${bar.lane.title} of ${group.title}`, `starts at ${seconds(bar.start)}${step ? ` in step ${step[0]}` : ""}`);
    if (lane.bytes && lane.bytes.length) words.push(`${size(lane.bytes[bar.index])} at ${size(lane.bytes[bar.index] / bar.length)}/s`);
    if (lane.launched && typeof lane.launched[bar.index] === "number") {
      words.push(`launched in ${parts[lane.part[bar.index]]}, ${seconds(bar.start - lane.launched[bar.index])} earlier`);
    }
    const [other] = ends(placed, bar);
    if (other) words.push(`${isCall(bar) ? "launches" : "launched by"} ${other.label} (press f)`);
    return words.join(", ");
  }

  function callers(bar) {
    const outer = bar.lane.bars.filter((other) => other.y < bar.y && other.start <= bar.start + 1e-10 && other.end >= bar.end - 1e-10);
    const named = outer.filter((other) => other.name).map((other) => other.label);
    return named.slice(-3).reverse().join(", ") || "the thread's start";
  }

  return { place, ends, describe, seconds, ROW_PX, HEAD_PX };
})();
