// -- plots: time per chunk, what is done, and what it cost; each with its numbers in words below

const HEIGHT = 210;
const MARGIN = { left: 58, right: 14, top: 10, bottom: 34 };
const DOTS_MAX = 1500;

function plotCard(id, title, words, draw) {
  const host = h("div", { class: "plot" });
  const card = h("section", { class: "card", "aria-labelledby": id }, h("h3", { id }, title), host, h("p", { class: "dim" }, words));
  return [card, () => draw(host, Math.max(260, host.clientWidth || 500))];
}

function niceTicks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) ticks.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  return ticks;
}

const linear = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
const logarithmic = (low, high, from, to) => {
  const inner = linear(Math.log10(low), Math.log10(high), from, to);
  return (value) => inner(Math.log10(Math.max(value, low)));
};

function frame(host, width, label, { x, y, xTicks, yTicks, xText, yText, xLabel, yLabel }) {
  const picture = s("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  const bottom = HEIGHT - MARGIN.bottom;
  for (const value of yTicks) {
    picture.append(s("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }));
    picture.append(s("text", { class: "tick", x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, yText(value)));
  }
  for (const value of xTicks) {
    const at = x(value);
    const anchor = at > width - 45 ? "end" : at < MARGIN.left + 12 ? "start" : "middle";
    picture.append(s("text", { class: "tick", x: at, y: bottom + 15, "text-anchor": anchor }, xText(value)));
  }
  picture.append(s("line", { class: "axis", x1: MARGIN.left, x2: width - MARGIN.right, y1: bottom, y2: bottom }));
  picture.append(s("text", { class: "label", x: width - MARGIN.right, y: HEIGHT - 3, "text-anchor": "end" }, xLabel));
  picture.append(s("text", { class: "label", x: 0, y: 0, transform: `translate(11 ${bottom}) rotate(-90)` }, yLabel));
  host.replaceChildren(picture);
  return picture;
}

// -- time per chunk

function timesPlot(details, open) {
  const points = [];
  const { index: chunks, seconds, outcome } = details.attempts;
  for (let place = 0; place < chunks.length; place++) if (seconds[place] !== null && seconds[place] > 0) points.push([chunks[place], seconds[place], outcome[place]]);
  if (!points.length) return null;
  const sorted = Float64Array.from(points, (point) => point[1]).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const slowest = points.reduce((before, point) => (point[1] > before[1] ? point : before));
  const words = [
    `Median ${duration(at(0.5))}, 95% under ${duration(at(0.95))}; the slowest, `,
    h("button", { class: "link", type: "button", onclick: () => open(slowest[0]) }, `chunk ${slowest[0]}`),
    `, took ${duration(slowest[1])}. ${countText(points.length, "try", "tries")}, failed ones among them.`,
  ];
  return plotCard("times-title", "Time per chunk", words, (host, width) => {
    const isWide = sorted[sorted.length - 1] > 20 * at(0.5);
    const low = isWide ? Math.max(sorted[0], 1e-3) : 0;
    const high = sorted[sorted.length - 1] * (isWide ? 1.3 : 1.06);
    const x = linear(0, Math.max(1, details.facts.total - 1), MARGIN.left + 4, width - MARGIN.right - 4);
    const y = (isWide ? logarithmic : linear)(low, high, HEIGHT - MARGIN.bottom, MARGIN.top);
    const yTicks = isWide ? decades(low, high) : niceTicks(0, high, 4);
    const picture = frame(host, width, "Time of each try, by chunk", {
      x, y, yTicks, yText: axisDuration, xTicks: niceTicks(0, Math.max(1, details.facts.total - 1), width > 420 ? 6 : 4).filter(Number.isInteger),
      xText: grouped, xLabel: "chunk", yLabel: isWide ? "time (log)" : "time",
    });
    if (points.length <= DOTS_MAX) dots(picture, points, x, y, open);
    else band(picture, points, x, y, width, open);
  });
}

function decades(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) ticks.push(10 ** power);
  return ticks.filter((value) => value >= low * 0.999 && value <= high);
}

function dots(picture, points, x, y, open) {
  for (const [chunk, seconds, outcome] of points) {
    const [cx, cy] = [x(chunk), y(seconds)];
    const text = s("title", {}, `chunk ${chunk}: ${duration(seconds)}${outcome === "c" ? "" : ", failed"}`);
    const dot = outcome === "c"
      ? s("circle", { class: "dot", cx: cx.toFixed(1), cy: cy.toFixed(1), r: points.length > 300 ? 2 : 3 }, text)
      : s("path", { class: "cross", d: `M${cx - 3.5} ${cy - 3.5}l7 7m0 -7l-7 7` }, text);
    dot.addEventListener("click", () => open(chunk));
    picture.append(dot);
  }
}

// Many points: of each column of the picture the span, the middle, and the failed tries.
function band(picture, points, x, y, width, open) {
  const columns = new Map();
  const step = 3;
  const failed = new Map();
  for (const point of points) {
    const column = Math.round(x(point[0]) / step);
    if (!columns.has(column)) columns.set(column, []);
    columns.get(column).push(point);
    if (point[2] !== "c") failed.set(`${column} ${Math.round(y(point[1]) / step)}`, point);
  }
  let middle = "";
  for (const [column, found] of [...columns].sort((one, other) => one[0] - other[0])) {
    found.sort((one, other) => one[1] - other[1]);
    const at = (share) => found[Math.floor(share * (found.length - 1))][1];
    const px = column * step;
    const top = found[found.length - 1];
    const line = s("line", { class: "span", x1: px, x2: px, y1: y(found[0][1]).toFixed(1), y2: y(top[1]).toFixed(1) },
      s("title", {}, `${chunksText(found.length)} from ${found.reduce((least, [chunk]) => Math.min(least, chunk), Infinity)} on: ${duration(found[0][1])} to ${duration(top[1])}, median ${duration(at(0.5))}`));
    line.addEventListener("click", () => open(top[0]));
    picture.append(line, s("line", { class: "core", x1: px, x2: px, y1: y(at(0.1)).toFixed(1), y2: y(at(0.9)).toFixed(1) }));
    middle += `${middle ? "L" : "M"}${px} ${y(at(0.5)).toFixed(1)}`;
  }
  picture.append(s("path", { class: "middle", d: middle }));
  const isCrowded = failed.size > 60;
  for (const [chunk, seconds] of failed.values()) {
    picture.append(isCrowded
      ? s("circle", { class: "faint", cx: x(chunk).toFixed(1), cy: y(seconds).toFixed(1), r: 1.3 })
      : s("path", { class: "cross", d: `M${x(chunk) - 2.5} ${y(seconds) - 2.5}l5 5m0 -5l-5 5` }));
  }
}

// -- over the run: pauses are cut out, and marked

function workingTime(moments) {
  const PAUSE_MS = 120_000;
  const gaps = [];
  for (let place = 1; place < moments.length; place++) gaps.push(moments[place] - moments[place - 1]);
  const usual = gaps.length ? [...gaps].sort((one, other) => one - other)[Math.floor(gaps.length * 0.5)] : 0;
  const pauses = gaps.map((gap) => gap > Math.max(PAUSE_MS, 30 * usual));
  const worked = gaps.reduce((sum, gap, place) => sum + (pauses[place] ? 0 : gap), 0);
  const shown = Math.max(worked * 0.03, 1000);
  const times = [0];
  const cuts = [];
  gaps.forEach((gap, place) => {
    const last = times[times.length - 1];
    if (pauses[place]) cuts.push([last + shown / 2, gap]);
    times.push(last + (pauses[place] ? shown : gap));
  });
  return { times, cuts };
}

function eventsOf(details) {
  const { index: chunks, at, cost, source } = details.completions;
  const events = [];
  chunks.forEach((chunk, place) => {
    if (!source || source[place] < 0) events.push({ at: at[place], done: 1, cost: cost?.[place] ?? 0, chunk });
  });
  const tries = details.attempts;
  tries.index.forEach((chunk, place) => {
    if (tries.cost[place] && "fa".includes(tries.outcome[place])) events.push({ at: tries.start[place] + 1000 * (tries.seconds[place] ?? 0), done: 0, cost: tries.cost[place], chunk });
  });
  return events.sort((one, other) => one.at - other.at);
}

function runPlot(details, events, id, title, field, from, yText, words, yLabel, yMost) {
  const { times, cuts } = workingTime(events.map((event) => event.at));
  let sum = from;
  const sums = events.map((event) => (sum += event[field]));
  return plotCard(id, title, words, (host, width) => {
    const last = times[times.length - 1] || 1;
    const high = Math.max(yMost ?? 0, sums[sums.length - 1]) * 1.04 || 1;
    const x = linear(0, last, MARGIN.left + 4, width - MARGIN.right - 4);
    const y = linear(0, high, HEIGHT - MARGIN.bottom, MARGIN.top);
    const picture = frame(host, width, title, {
      x, y, yTicks: niceTicks(0, high, 4), yText, xTicks: secondsTicks(last / 1000, width), xText: (value) => axisDuration(value / 1000), xLabel: "time at work", yLabel,
    });
    if (yMost) picture.append(s("line", { class: "goal", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(yMost), y2: y(yMost) }));
    const { line, end } = steps(times, sums, from, x, y);
    picture.append(s("path", { class: "area", d: `${line}V${y(0)}H${x(0)}Z` }), s("path", { class: "line", d: line }));
    if (!end) return;
    for (const [at, gap] of cuts) picture.append(s("line", { class: "cut", x1: x(at), x2: x(at), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }, s("title", {}, `a pause of ${duration(gap / 1000)}`)));
    if (cuts.length && cuts.length <= 6 && width > 420) for (const [at, gap] of cuts) picture.append(s("text", { class: "tick cutting", x: x(at) + 4, y: HEIGHT - MARGIN.bottom - 5 }, `pause ${duration(gap / 1000)}`));
    for (const [place, event] of events.entries()) {
      if (field === "cost" && !event.done) picture.append(s("path", { class: "cross", d: `M${x(times[place]) - 3} ${y(sums[place]) - 3}l6 6m0 -6l-6 6` }, s("title", {}, `a failed try at chunk ${event.chunk} cost ${number(event.cost)}`)));
    }
  });
}

function secondsTicks(last, width) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  const step = steps.find((one) => last / one <= (width > 420 ? 5 : 3)) ?? niceTicks(0, last, 3)[1] ?? last;
  const ticks = [];
  for (let value = 0; value <= last; value += step) ticks.push(value * 1000);
  return ticks;
}

// At most two points for each pixel, however many events there are.
function steps(times, sums, from, x, y) {
  let line = `M${x(0).toFixed(1)} ${y(from).toFixed(1)}`;
  let lastX = -1;
  times.forEach((time, place) => {
    const px = x(time);
    if (px - lastX < 0.7 && place < times.length - 1) return;
    line += `H${px.toFixed(1)}V${y(sums[place]).toFixed(1)}`;
    lastX = px;
  });
  return { line, end: times.length };
}

function plotsOf(details, open) {
  const { facts } = details;
  const events = eventsOf(details);
  const found = [timesPlot(details, open)];
  if (events.length) {
    const carried = details.counts[KIND.carried];
    const rate = facts.chunks_per_minute ? `${number(Number(facts.chunks_per_minute.toPrecision(3)))} chunks a minute over the last stretch of work. ` : "";
    const done = `${countText(events.filter((event) => event.done).length, "result")}${carried ? ` beside ${grouped(carried)} carried over` : ""}. ${rate}`;
    found.push(runPlot(details, events, "done-title", "Done over the run", "done", carried, grouped, done, "chunks", facts.total));
  }
  if (events.some((event) => event.cost)) {
    const vain = facts.failed_tries_cost ? ` ${number(facts.failed_tries_cost)} of it for tries that failed${facts.replaced_cost ? ", and for results that were replaced" : ""}.` : "";
    found.push(runPlot(details, events, "cost-title", "Cost over the run", "cost", 0, number, `${number(facts.spent)} spent.${vain}`, "cost"));
  }
  return found.filter(Boolean);
}
