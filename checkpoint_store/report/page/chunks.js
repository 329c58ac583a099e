// -- the list of chunks: a page of it is drawn, whatever its length

const PAGE = 50;
const ORDERS = {
  index: ["chunk", null],
  seconds: ["slowest", (details, chunk) => details.secondsOf(chunk)],
  cost: ["dearest", (details, chunk) => details.costOf(chunk)],
  tries: ["most tries", (details, chunk) => details.triesOf(chunk)],
  when: ["latest", (details, chunk) => details.whenOf(chunk)],
};
const FILTERS = {
  all: ["all", () => true],
  trouble: ["failed or in doubt", (details, chunk) => details.kinds[chunk] >= KIND.retried],
  again: ["tried again", (details, chunk) => details.triesOf(chunk) > 1],
  done: ["completed", (details, chunk) => details.kinds[chunk] === KIND.completed || details.kinds[chunk] === KIND.carried],
  running: ["in work", (details, chunk) => details.kinds[chunk] === KIND.running],
  left: ["left to do", (details, chunk) => details.kinds[chunk] <= KIND.redo],
};

function chunksFound(details, state) {
  const wanted = state.q.trim().toLowerCase();
  const [, fits] = FILTERS[state.show] ?? FILTERS.all;
  const [first, stop] = state.range ?? [0, details.facts.total];
  const found = [];
  for (let chunk = first; chunk < Math.min(stop, details.facts.total); chunk++) {
    if (fits(details, chunk) && (!wanted || String(chunk) === wanted || String(details.keys[chunk] ?? "").toLowerCase() === wanted || details.searchTextOf(chunk).includes(wanted))) found.push(chunk);
  }
  const value = ORDERS[state.sort]?.[1];
  if (!value) return found;
  const values = new Map(found.map((chunk) => [chunk, value(details, chunk) ?? -Infinity]));
  return found.sort((one, other) => values.get(other) - values.get(one) || one - other);
}

function chunksCard(details, state, change, open) {
  const body = h("tbody");
  const count = h("p", { class: "dim", role: "status" });
  const pager = h("p", { class: "pager" });
  const chosen = h("span");
  const search = h("input", { type: "search", id: "search", placeholder: details.hasKeys ? "index, key, words, error" : "index, words, error", "aria-label": "Search in chunks, results, inputs and errors", value: state.q });
  const order = h("select", { "aria-label": "Order of the chunks" }, Object.entries(ORDERS).map(([name, [words]]) => h("option", { value: name, selected: name === state.sort }, words)));
  const hasCost = Boolean(details.completions.cost);
  const filters = h("div", { class: "filters", role: "group", "aria-label": "Which chunks" }, Object.entries(FILTERS).map(([name, [words]]) => h("button", { type: "button", "data-filter": name, onclick: () => change({ show: name, page: 0 }) }, words)));
  const head = h("tr", {}, ["Chunk", details.hasKeys && "Key", "Status", ["Tries"], ["Time"], hasCost && ["Cost"], "When", "Result or error"].filter(Boolean).map((name) => h("th", { scope: "col", class: Array.isArray(name) && "number" }, name)));

  const draw = () => {
    const found = chunksFound(details, state);
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    const page = Math.min(state.page, last);
    for (const button of filters.children) button.setAttribute("aria-pressed", String(button.dataset.filter === state.show));
    count.textContent = `${chunksText(found.length)}${state.q.trim() ? ` with \u201c${visible(state.q.trim())}\u201d` : ""}`;
    chosen.replaceChildren(...(state.range ? [h("button", { type: "button", class: "on", onclick: () => change({ range: null, page: 0 }) }, `chunks ${state.range[0]} to ${state.range[1] - 1} \u00d7`)] : []));
    body.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((chunk) => chunkRow(details, chunk, hasCost, open)));
    pager.replaceChildren(...pagerButtons(page, last, (next) => change({ page: next })));
    return found;
  };
  let timer = null;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change({ q: search.value, page: 0 }), 150);
  });
  order.addEventListener("change", () => change({ sort: order.value, page: 0 }));
  const left = details.facts.left_out.results;
  const card = h("section", { class: "card", id: "chunks", "aria-labelledby": "chunks-title" },
    h("div", { class: "bar" }, h("h3", { id: "chunks-title" }, "Chunk by chunk"), h("div", { class: "tools" }, search, order)),
    h("div", { class: "bar tools" }, filters, chosen),
    left > 0 && h("p", { class: "note" }, `The page has no room for the results of ${chunksText(left)}; they are in the store: `, h("code", {}, details.facts.lines.results)),
    count,
    h("div", { class: "scroll" }, h("table", { class: "chunks" }, h("thead", {}, head), body)),
    pager);
  return [card, draw];
}

function pagerButtons(page, last, go) {
  if (!last) return [];
  const button = (words, to, label) => h("button", { type: "button", disabled: to < 0 || to > last || to === page, "aria-label": label, onclick: () => go(to) }, words);
  return [button("\u00ab", 0, "First page"), button("\u2039", page - 1, "Page before"), h("span", {}, ` ${grouped(page + 1)} of ${grouped(last + 1)} `), button("\u203a", page + 1, "Next page"), button("\u00bb", last, "Last page")];
}

function chunkRow(details, chunk, hasCost, open) {
  const [kind, words] = KINDS[details.kinds[chunk]];
  const when = details.whenOf(chunk);
  const isDone = details.kinds[chunk] === KIND.completed || details.kinds[chunk] === KIND.carried;
  const error = isDone ? null : details.errorOf(chunk);
  return h("tr", { onclick: (event) => { if (!event.target.closest("button") && !String(getSelection())) open(chunk); } },
    h("th", { scope: "row" }, chunkLink(chunk, open)),
    details.hasKeys && h("td", { class: "key", dir: "auto" }, details.keys[chunk] ?? ""),
    h("td", { class: "status" }, swatch(kind), h("span", { class: "kind" }, words.split(/[:;,]| from /)[0])),
    h("td", { class: "number" }, details.triesOf(chunk) || ""),
    h("td", { class: "number" }, duration(details.secondsOf(chunk))),
    hasCost && h("td", { class: "number" }, number(details.costOf(chunk))),
    h("td", { class: "when" }, when === null ? "" : moment(when, true)),
    h("td", { class: `text ${error ? "error" : ""}`, dir: "auto" }, firstLine(error ?? resultLine(details.resultOf(chunk)))));
}

const firstLine = (text) => (text ?? "").slice(0, 400).replace(/\s+/g, " ").slice(0, 200);

function resultLine(result) {
  if (result === undefined) return "";
  return mainText(result) ?? jsonText(result);
}
