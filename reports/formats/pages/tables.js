// Copies tables as Markdown or CSV, and marks the sides on which a wide table goes on.
const SPECIAL = new RegExp(Object.keys(MARKDOWN).map((text) => text.replace(/[^\w\s]/g, "\\$&")).join("|"), "g");
const COPIED_MS = 2000;

// Returns the shown rows in their present order, as lists of texts.
function textsOf(table) {
  const rows = [...table.rows].filter((row) => !row.hidden);
  return rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim().replace(/\s+/g, " ")));
}

function asMarkdown(table) {
  const lines = textsOf(table).map((cells) => `| ${cells.map((text) => text.replace(SPECIAL, (found) => MARKDOWN[found])).join(" | ")} |`);
  const rule = table.rows[0] ? [...table.rows[0].cells].map((_, index) => (index ? "---:" : "---")) : [];
  lines.splice(1, 0, `| ${rule.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

// Returns a cell of CSV. Text that a spreadsheet would run as a formula gets an apostrophe, as in `feedrate report --format csv`.
function inCell(text) {
  if (text === "-") return ""; // not measured
  const number = /^[-+]?\d+(\.\d+)?$/.test(text);
  const safe = !number && /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const asCsv = (table) => `${textsOf(table).map((cells) => cells.map(inCell).join(",")).join("\n")}\n`;

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission, or no secure context: copy a selection
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function copyButton(words, about, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = words;
  button.setAttribute("aria-label", `${words}: ${about}`);
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = words; }, COPIED_MS);
  });
  return button;
}

// Makes columns rest beside the first one, which stays: no number is half below it. The room after the last column lets the end rest there, too.
function snap(box, table, first, heads) {
  const room = box.clientWidth - first.offsetWidth;
  const left = heads.map((head) => table.offsetWidth - head.offsetLeft).find((width) => width <= room);
  const wide = table.offsetWidth > box.clientWidth + 1;
  box.style.scrollPaddingLeft = `${first.offsetWidth}px`;
  table.style.marginRight = wide && left !== undefined ? `${room - left}px` : "0";
}

for (const box of document.querySelectorAll(".scroll")) {
  const table = box.querySelector("table");
  const named = document.getElementById(box.getAttribute("aria-labelledby"));
  const about = box.getAttribute("aria-label") || (named ? named.textContent : "table");
  const frame = document.createElement("div");
  const buttons = document.createElement("div");
  frame.className = "frame";
  buttons.className = "copy";
  box.before(frame);
  frame.append(box);
  frame.after(buttons);
  buttons.append(copyButton("Copy as Markdown", about, () => asMarkdown(table)), copyButton("Copy as CSV", about, () => asCsv(table)));
  const mark = () => {
    const [first, ...heads] = table.tHead ? table.tHead.rows[0].cells : [];
    if (first) snap(box, table, first, heads);
    frame.classList.toggle("more-left", box.scrollLeft > 1);
    frame.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  };
  box.addEventListener("scroll", mark, { passive: true });
  const watch = new ResizeObserver(mark);
  watch.observe(box);
  watch.observe(table);
}
for (const pre of document.querySelectorAll(".copied > pre")) {
  pre.after(copyButton("Copy", pre.getAttribute("aria-label"), () => pre.textContent));
}
