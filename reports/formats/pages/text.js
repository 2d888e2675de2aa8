"use strict";
// Measures text, and makes names fit: on two lines, or shortened in the middle.
const FAMILY = "system-ui, sans-serif";
const LINE_PX = 1.3; // height of a line, as a multiple of the size of its font
const pen = document.createElement("canvas").getContext("2d");

// Names are escaped in the figures' data, because Plotly interprets some HTML in them.
function plain(name) {
  return new DOMParser().parseFromString(String(name), "text/html").documentElement.textContent;
}

function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function widthOf(text, size) {
  pen.font = `${size}px ${FAMILY}`;
  return pen.measureText(text).width;
}

// Returns the text, or its begin and end with "…" between them if it is longer than this many pixels.
function fitted(text, room, size) {
  if (widthOf(text, size) <= room) return text;
  const letters = [...text];
  let [fits, tooLong] = [0, letters.length];
  const cut = (kept) => `${letters.slice(0, Math.ceil(kept / 2)).join("")}…${letters.slice(letters.length - Math.floor(kept / 2)).join("")}`;
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (widthOf(cut(middle), size) <= room) fits = middle;
    else tooLong = middle;
  }
  return cut(fits);
}

// Returns the text on one line or two. Two lines are divided after a mark such as ":" or "=", as near to the middle as there is one.
function wrapped(text, room, size) {
  if (widthOf(text, size) <= room) return [text];
  const letters = [...text];
  const parts = (at) => [letters.slice(0, at).join(""), letters.slice(at).join("").trimStart()];
  const fits = (at) => parts(at).every((part) => widthOf(part, size) <= room);
  const places = letters.map((_, index) => index).sort((a, b) => Math.abs(a - letters.length / 2) - Math.abs(b - letters.length / 2));
  const at = places.find((place) => place && /[\s:=,._-]/.test(letters[place - 1]) && fits(place)) || places.find((place) => place && fits(place));
  return at ? parts(at) : [fitted(text, room, size)];
}
