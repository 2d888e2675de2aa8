// Mouse, touch, keyboard, buttons and search of a profile's chart.
function profileInput(chart) {
  const { view, element, search } = chart;
  const KEYS = {
    ArrowLeft: () => chart.pan(-0.15), a: () => chart.pan(-0.15), ArrowRight: () => chart.pan(0.15), d: () => chart.pan(0.15),
    "+": () => chart.zoom(0.6), "=": () => chart.zoom(0.6), w: () => chart.zoom(0.6), "-": () => chart.zoom(1 / 0.6), s: () => chart.zoom(1 / 0.6),
    0: () => chart.fit(), Home: () => chart.fit(), Escape: () => chart.select(null),
    "[": () => chart.step(-1), "]": () => chart.step(1), ",": () => chart.neighbour(-1), ".": () => chart.neighbour(1),
    ArrowUp: () => chart.otherLane(-1), ArrowDown: () => chart.otherLane(1), f: () => chart.follow(),
    Enter: () => chart.select(chart.selected, true), n: () => chart.nextMatch(1), p: () => chart.nextMatch(-1), "/": () => search.focus(),
  };
  view.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  view.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) chart.zoom(event.deltaY > 0 ? 1.25 : 0.8, chart.timeAt(event));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) chart.pan((event.deltaX || event.deltaY) / chart.width);
    else return;
    event.preventDefault();
  }, { passive: false });

  // One pointer drags the time, two of them stretch it.
  const pointers = new Map();
  let moved = 0;
  view.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target !== chart.canvas) return;
    pointers.set(event.pointerId, event.clientX);
    view.setPointerCapture(event.pointerId);
    moved = 0;
  });
  view.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = [...pointers.values()];
    const by = event.clientX - pointers.get(event.pointerId);
    pointers.set(event.pointerId, event.clientX);
    moved += Math.abs(by);
    if (pointers.size === 1) {
      chart.pan(-by / chart.width);
      return;
    }
    const after = [...pointers.values()];
    const spread = ([one, two]) => Math.max(Math.abs(one - two), 10);
    chart.zoom(spread(before) / spread(after), chart.timeAt({ clientX: (after[0] + after[1]) / 2 }));
  });
  for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, (event) => {
    if (pointers.delete(event.pointerId) && name === "pointerup" && moved < 4) chart.select(chart.barAt(event));
  });
  view.addEventListener("dblclick", (event) => {
    const bar = chart.barAt(event);
    if (bar) chart.select(bar, true);
    else chart.fit();
  });

  search.addEventListener("input", () => chart.find(search.value));
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") chart.nextMatch(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") view.focus();
  });
  const BUTTONS = { in: () => chart.zoom(0.6), out: () => chart.zoom(1 / 0.6), fit: () => chart.fit(), previous: () => chart.step(-1), next: () => chart.step(1) };
  for (const button of element.querySelectorAll("button[data-do]")) button.addEventListener("click", BUTTONS[button.dataset.do]);
}
