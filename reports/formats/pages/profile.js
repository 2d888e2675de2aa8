// Charts of profiles: timelines, and flame graphs. Mouse, touch and keyboard pan, zoom, select and search.
(() => {
  const { place, ends, describe, seconds, ROW_PX, HEAD_PX } = profileLayout;
  const content = JSON.parse(document.getElementById("profiles-data").textContent);
  const LEAST_SPAN_S = 1e-7;
  const MAX_ARROWS = 80;
  const TICKS = [1, 2, 5];
  const FONT = "11px ui-monospace, Consolas, monospace";
  const LETTER_PX = 6.7;

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Returns black or white, whichever can be read better on a colour.
  function inkOn(colour) {
    const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000000" : "#ffffff";
  }

  class Chart {
    constructor(element, chart) {
      Object.assign(this, { element, chart, selected: null, matches: [], query: "" });
      this.view = element.querySelector(".profile-view");
      this.canvas = this.view.querySelector("canvas");
      this.status = element.querySelector("[role=status]");
      this.search = element.querySelector("input[type=search]");
      this.arrange();
      profileInput(this);
    }

    // Places the groups whose loader the page's filter shows.
    arrange() {
      const shown = this.chart.groups.filter((group) => {
        const section = document.getElementById(`profile-${group.profile}`);
        return !section || !section.hidden;
      });
      this.placed = place(shown, content.parts);
      this.full = Math.max(...shown.map((group) => group.length), LEAST_SPAN_S);
      this.fit();
    }

    fit() {
      this.show(0, this.full);
    }

    // Shows the time from `from` to `to`, kept within the chart.
    show(from, to) {
      const span = Math.min(Math.max(to - from, LEAST_SPAN_S), this.full);
      this.from = Math.min(Math.max(from, 0), this.full - span);
      this.to = this.from + span;
      this.draw();
    }

    zoom(factor, at = this.selected ? Math.min(Math.max((this.selected.start + this.selected.end) / 2, this.from), this.to) : (this.from + this.to) / 2) {
      this.show(at - (at - this.from) * factor, at + (this.to - at) * factor);
    }

    pan(share) {
      const by = (this.to - this.from) * share;
      this.show(this.from + by, this.to + by);
    }

    // Shows one step, the next (1) or the previous one (-1), of the group that has the most steps.
    step(by) {
      const marked = [...this.placed.groups].sort((left, right) => right.group.marks.length - left.group.marks.length)[0];
      if (!marked || !marked.group.marks.length) return;
      const starts = marked.group.marks.map(([, start]) => start);
      const now = starts.filter((start) => start <= this.from + 1e-9).length - 1;
      const zoomed = this.to - this.from < this.full * 0.999;
      const index = Math.min(Math.max(zoomed ? now + by : by > 0 ? 0 : starts.length - 1, 0), starts.length - 1);
      this.show(starts[index], index + 1 < starts.length ? starts[index + 1] : marked.group.length);
      this.say(`Step ${marked.group.marks[index][0]} of ${marked.group.title}`);
    }

    x(time) {
      return ((time - this.from) / (this.to - this.from)) * this.width;
    }

    draw() {
      this.width = Math.max(this.view.clientWidth, 100);
      const scale = window.devicePixelRatio || 1;
      const { canvas, placed } = this;
      canvas.width = Math.round(this.width * scale);
      canvas.height = Math.round(placed.height * scale);
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${placed.height}px`;
      const pen = canvas.getContext("2d");
      pen.scale(scale, scale);
      pen.textBaseline = "middle";
      this.theme = { ink: style("--ink"), soft: style("--soft"), line: style("--line"), card: style("--card"), accent: style("--accent") };
      placed.groups.forEach((group) => this.drawGroup(pen, group));
      this.drawArrows(pen);
      Object.assign(this.view.dataset, { from: this.from, to: this.to, bars: placed.bars.length });
    }

    drawGroup(pen, { group, y, bottom, gaps, lanes }) {
      if (!lanes.length) return;
      pen.fillStyle = this.theme.card;
      pen.fillRect(0, y, this.width, HEAD_PX - 2);
      pen.fillStyle = this.theme.ink;
      pen.font = "bold 13px system-ui, sans-serif";
      pen.fillText(group.title, 6, y + 12);
      this.drawTicks(pen, y + 30, bottom);
      pen.font = FONT;
      let free = 0;
      for (const [number, start] of group.marks) {
        const x = this.x(start);
        if (x < -1 || x > this.width) continue;
        pen.strokeStyle = this.theme.soft;
        pen.setLineDash([4, 3]);
        pen.strokeRect(Math.round(x) + 0.5, y + 40, 0, bottom - y - 40);
        pen.setLineDash([]);
        const text = `step ${number}`;
        if (x < free) continue;
        pen.fillStyle = this.theme.ink;
        pen.fillText(text, x + 4, y + 48);
        free = x + (text.length + 2) * LETTER_PX;
      }
      lanes.forEach((lane) => this.drawLane(pen, lane, gaps));
    }

    drawTicks(pen, y, bottom) {
      const span = this.to - this.from;
      const most = Math.max(this.width / 90, 2);
      let unit = 10 ** Math.floor(Math.log10(span / most));
      unit *= TICKS.find((factor) => span / (unit * factor) <= most) || 10;
      pen.font = FONT;
      for (let number = 0, first = Math.ceil(this.from / unit); number <= most; number += 1) {
        const tick = (first + number) * unit;
        if (tick > this.to) break;
        const x = Math.round(this.x(tick)) + 0.5;
        pen.strokeStyle = this.theme.line;
        pen.strokeRect(x, y + 8, 0, bottom - y - 8);
        pen.fillStyle = this.theme.soft;
        pen.fillText(seconds(Math.abs(tick) < unit / 2 ? 0 : tick), x + 3, y);
      }
    }

    drawLane(pen, lane, gaps) {
      pen.fillStyle = this.theme.soft;
      pen.font = "12px system-ui, sans-serif";
      pen.fillText(lane.lane.note ? `${lane.title} (${lane.lane.note})`.trim() : lane.title, 6, lane.y + 8);
      pen.font = FONT;
      if (lane.lane.kind === "kernels") gaps.forEach((gap) => this.drawGap(pen, lane, gap));
      const found = this.query ? new Set(this.matches) : null;
      for (const bar of lane.bars) {
        if (bar.end < this.from || bar.start > this.to) continue;
        const left = Math.max(this.x(bar.start), -2);
        const width = Math.max(Math.min(this.x(bar.end), this.width + 2) - left, 0.8);
        const colour = content.colours[bar.key] || content.colours.other;
        pen.globalAlpha = found && !found.has(bar) ? 0.3 : 1;
        pen.fillStyle = colour;
        pen.fillRect(left, bar.y, width > 3 ? width - 0.6 : width, ROW_PX - 2);
        if (width > 26) {
          const room = Math.floor((width - 8) / LETTER_PX);
          pen.fillStyle = inkOn(colour);
          pen.fillText(bar.label.length > room ? `${bar.label.slice(0, room - 1)}…` : bar.label, left + 4, bar.y + ROW_PX / 2 - 0.5);
        }
        pen.globalAlpha = 1;
        if (bar === this.selected || (found && found.has(bar) && width > 3)) {
          pen.strokeStyle = this.theme.ink;
          pen.lineWidth = bar === this.selected ? 2.5 : 1;
          pen.strokeRect(left, bar.y, width, ROW_PX - 2);
          pen.lineWidth = 1;
        }
      }
    }

    // Hatches a time in which the device is idle.
    drawGap(pen, lane, [start, end]) {
      if (end < this.from || start > this.to) return;
      const [left, right] = [Math.max(this.x(start), 0), Math.min(this.x(end), this.width)];
      if (right - left < 2) return;
      pen.save();
      pen.beginPath();
      pen.rect(left, lane.top, right - left, lane.rows * ROW_PX - 2);
      pen.clip();
      pen.strokeStyle = this.theme.soft;
      pen.globalAlpha = 0.45;
      for (let x = left - ROW_PX; x < right; x += 6) {
        pen.beginPath();
        pen.moveTo(x, lane.top + ROW_PX);
        pen.lineTo(x + ROW_PX, lane.top);
        pen.stroke();
      }
      pen.restore();
      const text = `idle ${seconds(end - start)}`;
      if (right - left < (text.length + 2) * LETTER_PX) return;
      pen.fillStyle = this.theme.card;
      pen.fillRect(left + 4, lane.top + 1, (text.length + 1) * LETTER_PX, ROW_PX - 4);
      pen.fillStyle = this.theme.ink;
      pen.fillText(text, left + 8, lane.top + ROW_PX / 2 - 0.5);
    }

    // Draws arrows from calls to the work that they launched: those of the selected bar, and all if there are few.
    drawArrows(pen) {
      const chosen = this.selected ? [this.selected.link] : [];
      const seen = [...this.placed.links].filter(([, bars]) => bars.some((bar) => bar.end >= this.from && bar.start <= this.to));
      for (const [link, bars] of seen) {
        const strong = link && chosen.includes(link);
        if (!strong && seen.length > MAX_ARROWS) continue;
        for (const call of bars.filter((bar) => bar.lane.lane.kind === "calls")) {
          for (const work of ends(this.placed, call)) this.drawArrow(pen, call, work, strong);
        }
      }
    }

    drawArrow(pen, call, work, strong) {
      const [x, y, toX, toY] = [this.x(call.start), call.y + ROW_PX - 2, this.x(work.start), work.y];
      pen.strokeStyle = pen.fillStyle = strong ? this.theme.accent : this.theme.soft;
      pen.globalAlpha = strong ? 1 : 0.55;
      pen.lineWidth = strong ? 2 : 1;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.bezierCurveTo(x, (y + toY) / 2, toX, (y + toY) / 2, toX, toY);
      pen.stroke();
      pen.beginPath();
      pen.moveTo(toX, toY);
      pen.lineTo(toX - 3, toY - 6);
      pen.lineTo(toX + 3, toY - 6);
      pen.fill();
      pen.globalAlpha = pen.lineWidth = 1;
    }

    say(words) {
      this.status.textContent = words;
    }

    // Selects a bar and brings it into view. zoom: whether the bar then fills a third of the width.
    select(bar, zoom = false) {
      this.selected = bar;
      if (!bar) return this.draw();
      const span = zoom ? Math.max(bar.length * 3, LEAST_SPAN_S) : this.to - this.from;
      const middle = (bar.start + bar.end) / 2;
      if (zoom || bar.end < this.from || bar.start > this.to) this.show(middle - span / 2, middle + span / 2);
      else this.draw();
      if (bar.y < this.view.scrollTop || bar.y + ROW_PX > this.view.scrollTop + this.view.clientHeight) {
        this.view.scrollTop = bar.y - this.view.clientHeight / 2;
      }
      const number = this.matches.indexOf(bar);
      this.say(`${number >= 0 ? `${number + 1} of ${this.matches.length}: ` : ""}${describe(this.placed, bar, content.parts)}`);
    }

    // Selects the neighbour of the selected bar in its lane, or the first bar in view.
    neighbour(by) {
      const bars = this.selected ? this.selected.lane.bars : this.placed.bars.filter((bar) => bar.end > this.from && bar.start < this.to);
      const index = this.selected ? bars.indexOf(this.selected) + by : 0;
      if (bars[index]) this.select(bars[index]);
    }

    // Selects the bar of the lane above (-1) or below (1) that is nearest to the selected one.
    otherLane(by) {
      const lanes = this.placed.lanes.filter((lane) => lane.bars.length);
      const index = this.selected ? lanes.indexOf(this.selected.lane) + by : 0;
      if (!lanes[index]) return;
      const at = this.selected ? Math.max(this.selected.start, this.from) : this.from;
      const distance = (bar) => (bar.start > at ? bar.start - at : Math.max(at - bar.end, 0));
      this.select(lanes[index].bars.reduce((best, bar) => (distance(bar) < distance(best) ? bar : best)));
    }

    follow() {
      const [other] = this.selected ? ends(this.placed, this.selected) : [];
      if (other) this.select(other);
      else this.say("No arrow leads from here");
    }

    find(query) {
      this.query = query.trim().toLowerCase();
      this.matches = this.query ? this.placed.bars.filter((bar) => bar.name.toLowerCase().includes(this.query)) : [];
      this.match = -1;
      this.draw();
      this.say(this.query ? `${this.matches.length} bars match. Enter goes to the next one.` : "");
    }

    nextMatch(by) {
      if (!this.matches.length) return;
      this.match = this.match < 0 && by < 0 ? this.matches.length - 1 : (this.match + by + this.matches.length) % this.matches.length;
      this.select(this.matches[this.match]);
    }

    barAt(event) {
      const box = this.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const at = this.from + (x / this.width) * (this.to - this.from);
      const reach = (3 / this.width) * (this.to - this.from);
      const near = this.placed.bars.filter((bar) => y >= bar.y && y < bar.y + ROW_PX && bar.start - reach <= at && bar.end + reach >= at);
      return near.find((bar) => bar.start <= at && bar.end >= at) || near[0] || null;
    }

    timeAt(event) {
      return this.from + ((event.clientX - this.canvas.getBoundingClientRect().left) / this.width) * (this.to - this.from);
    }
  }

  for (const chart of content.charts) {
    const element = document.getElementById(chart.id);
    const drawn = new Chart(element, chart);
    keepSpan(chart.id, drawn);
    const redraw = () => drawn.draw();
    new ResizeObserver(redraw).observe(drawn.view);
    new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    window.addEventListener("beforeprint", redraw);
    window.addEventListener("afterprint", redraw);
    const sections = [...document.querySelectorAll("[id^='profile-'][data-loader]")];
    const filtered = new MutationObserver(() => drawn.arrange());
    for (const section of sections) filtered.observe(section, { attributes: true, attributeFilter: ["hidden"] });
  }
})();
