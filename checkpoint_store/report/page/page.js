// -- how the page is put together: elements made of text alone, never of markup

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = visible(value);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);
const s = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);
const one = (id) => document.getElementById(id);

// What would steer a terminal, or turn the direction of a text around, is shown by a sign of its own.
const STEERS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;

function visible(value) {
  return String(value).replace(STEERS, (found) => {
    const code = found.codePointAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : `\u2039U+${code.toString(16).toUpperCase().padStart(4, "0")}\u203a`;
  });
}

// -- numbers and times for people

const grouped = (value) => Math.round(value).toLocaleString("en-US");
const countText = (count, one, more = `${one}s`) => `${grouped(count)} ${count === 1 ? one : more}`;
const chunksText = (count) => countText(count, "chunk");

function number(value) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value)) return grouped(value);
  const digits = Math.abs(value) >= 100 ? 2 : Math.abs(value) >= 1 ? 3 : Math.min(9, 3 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { maximumFractionDigits: Math.max(0, digits) });
}

function shortened(value) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"]]) if (value >= 10 * size) return `${number(Number((value / size).toPrecision(4)))} ${unit}`;
  return grouped(value);
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${grouped(Math.floor(whole / 86400))} d ${two(Math.floor((whole % 86400) / 3600))} h`;
}

// On an axis: 0, 5 s instead of 0 ms, 5.0 s.
const axisDuration = (seconds) => (seconds === 0 ? "0" : duration(seconds).replace(/\.0 s$/, " s"));

function moment(milliseconds, withSeconds = false) {
  const date = new Date(milliseconds);
  const two = (value) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return `${day} ${time}${withSeconds ? `:${two(date.getSeconds())}` : ""}`;
}

function ago(milliseconds) {
  const seconds = (Date.now() - milliseconds) / 1000;
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${grouped(Math.floor(seconds / size))} ${unit} ago`;
  }
  return "just now";
}

// Rounded down: 100% means that all chunks are complete.
const percent = (done, total) => `${total ? Math.floor((100 * done) / total) : 100}%`;

function rangesText(indices, most = 12) {
  const ranges = [];
  for (const index of indices) {
    const last = ranges[ranges.length - 1];
    if (last && index === last[1] + 1) last[1] = index;
    else ranges.push([index, index]);
  }
  const shown = ranges.slice(0, most).map(([first, end]) => (first === end ? `${first}` : `${first}-${end}`));
  return shown.join(", ") + (ranges.length > most ? ", \u2026" : "");
}

// -- how things stand: each has a word, a sign and a colour

const STATUSES = {
  completed: ["completed", "\u2713"],
  running: ["running", "\u25b6"],
  paused: ["paused", "\u2016"],
  failed: ["failed", "\u2717"],
  interrupted: ["interrupted", "\u26a1"],
  superseded: ["superseded", "\u21d2"],
  pending: ["pending", "\u25cb"],
};

const chip = (status) => h("span", { class: `chip ${status}` }, h("i", { "aria-hidden": "true" }, STATUSES[status][1]), STATUSES[status][0]);

const KINDS = [
  ["pending", "left to do", ""],
  ["redo", "to do again; the earlier result stays until then", "\u21ba"],
  ["completed", "completed", "\u2713"],
  ["carried", "carried over from another job", "\u21aa"],
  ["running", "in work", "\u25b6"],
  ["retried", "failed, tried again by the next run", "\u21bb"],
  ["in_doubt", "in doubt: begun and never ended, possibly billed", "?"],
  ["failed", "failed: tries used up", "\u2717"],
];
// The number of a kind is its place in the list; of the chunks that share a cell the map shows all kinds.
const KIND = Object.fromEntries(KINDS.map(([name], place) => [name, place]));
