// -- the map of the chunks: a cell is a chunk, or as many as fit; a cell shows all kinds that it holds

const CELLS = 1200;

function mapCard(details, pick) {
  const total = details.facts.total;
  const host = h("div", { class: "map", role: "group", tabindex: "0", "aria-label": mapText(details), "aria-describedby": "map-help" });
  const told = h("p", { class: "told", "aria-live": "polite" });
  const chart = { per: Math.max(1, Math.ceil(total / CELLS)), columns: 0, cursor: -1 };
  chart.cells = Math.ceil(total / chart.per);

  const draw = () => drawMap(host, details, chart);
  const move = (cell) => {
    chart.cursor = Math.max(0, Math.min(chart.cells - 1, cell));
    placeCursor(host, chart);
    told.textContent = cellText(details, chart, chart.cursor);
  };
  host.addEventListener("click", (event) => {
    const cell = cellAt(host, chart, event);
    if (cell === null) return;
    move(cell);
    pick(cell * chart.per, Math.min(total, (cell + 1) * chart.per));
  });
  host.addEventListener("pointermove", (event) => {
    const cell = cellAt(host, chart, event);
    told.textContent = cell === null ? "" : cellText(details, chart, cell);
  });
  host.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: chart.columns, ArrowUp: -chart.columns, Home: -chart.cells, End: chart.cells };
    if (event.key in steps) {
      event.preventDefault();
      move(chart.cursor < 0 ? 0 : chart.cursor + steps[event.key]);
    } else if ((event.key === "Enter" || event.key === " ") && chart.cursor >= 0) {
      event.preventDefault();
      pick(chart.cursor * chart.per, Math.min(total, (chart.cursor + 1) * chart.per));
    }
  });
  const each = chart.per === 1 ? "a cell is one chunk" : `a cell is ${chunksText(chart.per)}`;
  return [
    h("section", { class: "card", "aria-labelledby": "map-title" },
      h("div", { class: "bar" }, h("h3", { id: "map-title" }, "Chunks"), h("p", { class: "dim" }, `0 to ${grouped(total - 1)}, ${each}`)),
      host,
      told,
      h("p", { id: "map-help", class: "hidden" }, "Arrow keys move over the cells, Enter opens one."),
      h("ul", { class: "legend" }, KINDS.map(([name, words], kind) => details.counts[kind] > 0 && h("li", {}, swatch(name), h("b", {}, grouped(details.counts[kind])), ` ${words}`)))),
    draw,
  ];
}

function swatch(kind) {
  return s("svg", { class: "swatch", width: 14, height: 14, "aria-hidden": "true" }, s("rect", { class: `k-${kind}`, x: 0.5, y: 0.5, width: 13, height: 13, rx: 2 }), sign(kind, 7, 7, 14));
}

function sign(kind, x, y, size) {
  const text = { failed: "\u00d7", in_doubt: "?", running: "\u25b8", retried: "\u21bb", redo: "\u21ba", carried: "\u21aa" }[kind];
  return text && size >= 11 ? s("text", { class: `sign k-${kind}`, x, y: y + size * 0.3, "text-anchor": "middle", "font-size": size * 0.85 }, text) : null;
}

const mapText = (details) => {
  const parts = KINDS.map(([, words], kind) => details.counts[kind] && `${grouped(details.counts[kind])} ${words}`).filter(Boolean);
  return `Map of ${chunksText(details.facts.total)}: ${parts.join("; ")}`;
};

function cellText(details, chart, cell) {
  const start = cell * chart.per;
  const stop = Math.min(details.facts.total, start + chart.per);
  if (stop - start === 1) return `chunk ${start}: ${KINDS[details.kinds[start]][1]}`;
  const counts = countsIn(details, start, stop);
  const parts = KINDS.map(([, words], kind) => counts[kind] && `${counts[kind]} ${words.split(/[:;]/)[0]}`).filter(Boolean);
  return `chunks ${start} to ${stop - 1}: ${parts.join(", ")}`;
}

function countsIn(details, start, stop) {
  const counts = new Array(KINDS.length).fill(0);
  for (let chunk = start; chunk < stop; chunk++) counts[details.kinds[chunk]]++;
  return counts;
}

function layout(chart, width) {
  const wanted = Math.max(9, Math.min(30, Math.sqrt((width * 190) / chart.cells)));
  chart.columns = Math.max(1, Math.min(chart.cells, Math.floor(width / wanted)));
  chart.pitch = Math.min(30, width / chart.columns);
  chart.size = chart.pitch - Math.max(1.2, chart.pitch * 0.12);
  return Math.ceil(chart.cells / chart.columns) * chart.pitch;
}

function drawMap(host, details, chart) {
  const width = host.clientWidth || 800;
  const height = layout(chart, width);
  const picture = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" });
  for (let cell = 0; cell < chart.cells; cell++) {
    const x = (cell % chart.columns) * chart.pitch;
    const y = Math.floor(cell / chart.columns) * chart.pitch;
    const start = cell * chart.per;
    const stop = Math.min(details.facts.total, start + chart.per);
    drawCell(picture, chart, x, y, stop - start === 1 ? [[details.kinds[start], 1]] : sharesIn(countsIn(details, start, stop), stop - start));
  }
  picture.append(s("rect", { class: "cursor", width: chart.size, height: chart.size, rx: 2 }));
  host.replaceChildren(picture);
  placeCursor(host, chart);
}

// A kind of which a cell holds few chunks is seen all the same: trouble has at least three tenths of the cell.
function sharesIn(counts, count) {
  const LEAST = 0.3;
  const found = counts.map((value, kind) => [kind, value / count]).filter(([, share]) => share > 0);
  const lifted = found.map(([kind, share]) => [kind, kind >= KIND.running ? Math.max(share, LEAST) : share]);
  const sum = lifted.reduce((before, [, share]) => before + share, 0);
  return lifted.map(([kind, share]) => [kind, share / sum]).reverse();
}

function drawCell(picture, chart, x, y, shares) {
  let top = y;
  for (const [kind, share] of shares) {
    const height = chart.size * share;
    picture.append(s("rect", { class: `k-${KINDS[kind][0]}`, x: x.toFixed(1), y: top.toFixed(1), width: chart.size.toFixed(1), height: height.toFixed(1), rx: shares.length === 1 ? Math.min(3, chart.size / 6).toFixed(1) : 0 }));
    if (shares.length === 1) {
      const mark = sign(KINDS[kind][0], x + chart.size / 2, y + chart.size / 2, chart.size);
      if (mark) picture.append(mark);
    }
    top += height;
  }
}

function placeCursor(host, chart) {
  const cursor = host.querySelector(".cursor");
  if (!cursor) return;
  cursor.classList.toggle("on", chart.cursor >= 0);
  cursor.setAttribute("x", (chart.cursor % chart.columns) * chart.pitch);
  cursor.setAttribute("y", Math.floor(chart.cursor / chart.columns) * chart.pitch);
}

function cellAt(host, chart, event) {
  const box = host.getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left) / chart.pitch);
  const row = Math.floor((event.clientY - box.top) / chart.pitch);
  const cell = row * chart.columns + column;
  return column < 0 || column >= chart.columns || row < 0 || cell >= chart.cells ? null : cell;
}
