// Draws figures from the page's JSON once their section is open, in the colours of the reader's scheme. Filters tables as the reader types.
const data = document.getElementById("figures-data");
const figures = new Map((data ? JSON.parse(data.textContent) : []).map((figure) => [figure.name, figure]));
const drawn = new Set();

function draw(name) {
  drawFigure(figures.get(name));
  drawn.add(name);
}

function drawOpen() {
  for (const element of document.querySelectorAll(".figure")) {
    const details = element.closest("details");
    if (!drawn.has(element.id) && (!details || details.open)) draw(element.id);
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
dark.addEventListener("change", () => drawn.forEach(draw));
savesFigures((name) => figures.get(name), (figure) => figure.data);
drawAtEachWidth(() => drawn.forEach(draw));
printsWith(() => { drawn.clear(); drawOpen(); });
const box = document.getElementById("filter");
if (box) box.addEventListener("input", () => filter(box.value.toLowerCase().split(/\s+/).filter(Boolean)));
