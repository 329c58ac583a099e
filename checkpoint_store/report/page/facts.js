// -- a job as a whole: where it stands, what it was made for, what went wrong

function jobHead(details) {
  const { facts } = details;
  const left = facts.total - facts.completed;
  const doubt = facts.in_doubt && (facts.in_doubt_at_most === null ? "what they cost is not known" : `may have cost up to ${number(facts.in_doubt_at_most)}`);
  const tiles = [
    tile("Done", percent(facts.completed, facts.total), `${grouped(facts.completed)} of ${chunksText(facts.total)}`),
    tile("Left", grouped(left), [facts.seconds_left && `about ${duration(facts.seconds_left)} of work`, facts.redo > 0 && `${grouped(facts.redo)} to do again, with an earlier result until then`].filter(Boolean).join("; ")),
    facts.spent !== null && tile("Spent", number(facts.spent), spentText(facts)),
    facts.spent === null && facts.carried_cost > 0 && tile("Spent", "0", spentText(facts)),
    facts.failed > 0 && tile("Failed", grouped(facts.failed), "passed over until freed", "failed"),
    facts.in_doubt > 0 && tile("In doubt", grouped(facts.in_doubt), doubt, "in_doubt"),
    ...Object.entries(facts.tokens).slice(0, 2).map(([name, count]) => tile(name.replaceAll("_", " "), shortened(count), "")),
  ];
  return h("section", { class: "card head", "aria-labelledby": "job-title" },
    h("div", { class: "bar" }, h("h2", { id: "job-title", dir: "auto" }, facts.file_name), chip(facts.status)),
    facts.title && h("p", { class: "dim", dir: "auto" }, facts.title),
    progressBar(details),
    h("dl", { class: "tiles" }, tiles),
    facts.error && h("p", { class: "error", role: "alert" }, facts.error),
    facts.superseded_by && h("p", { class: "note" }, "Superseded by job ", jobLink(facts.superseded_by), ", which was opened later for this file."),
    facts.lines.resume && h("p", { class: "dim" }, "Go on with: ", h("code", {}, facts.lines.resume)),
    !facts.is_detailed && h("p", { class: "note" }, "This job is too large for a page that tells each chunk; the map and the counts are whole."),
    h("p", { class: "dim" }, `Started ${moment(facts.started_at)}, last changed ${moment(facts.updated_at)} (${ago(facts.updated_at)}), job `, h("code", {}, facts.job_id)));
}

function spentText(facts) {
  const parts = [];
  const failed = (facts.failed_tries_cost ?? 0) - facts.replaced_cost;
  if (failed > 1e-9) parts.push(`${number(failed)} for failed tries`);
  if (facts.replaced_cost) parts.push(`${number(facts.replaced_cost)} for results that were replaced`);
  if (facts.carried_cost) parts.push(`beside ${number(facts.carried_cost)} that other jobs paid`);
  return parts.join(", ");
}

const tile = (name, value, words, kind) => h("div", { class: `tile ${kind ?? ""}` }, h("dt", {}, name), h("dd", {}, h("b", {}, value), words ? h("span", {}, words) : null));

function progressBar(details) {
  const order = [KIND.completed, KIND.carried, KIND.running, KIND.in_doubt, KIND.retried, KIND.failed];
  const total = details.facts.total || 1;
  const picture = s("svg", { class: "progress", width: "100%", height: 12, preserveAspectRatio: "none", viewBox: "0 0 1000 12", role: "img", "aria-label": `${percent(details.facts.completed, details.facts.total)} done` }, s("rect", { class: "k-pending plain", width: 1000, height: 12 }));
  let x = 0;
  for (const kind of order) {
    const count = details.counts[kind];
    if (!count) continue;
    const width = Math.max(4, (1000 * count) / total);
    x = Math.min(x, 1000 - width);
    picture.append(s("rect", { class: `k-${KINDS[kind][0]} plain`, x, width, height: 12 }));
    x += width;
  }
  return picture;
}

function jobLink(jobId) {
  const place = index.jobs.findIndex((facts) => facts.job_id === jobId);
  return place < 0 ? h("code", {}, jobId.slice(0, 8)) : h("a", { href: `#job=${encodeURIComponent(jobId)}` }, h("code", {}, jobId.slice(0, 8)));
}

// -- what it was made for, and what changed

function planCard(details) {
  const { facts } = details;
  const rows = [["model", facts.model], ["provider", facts.provider], facts.sequential && ["order", "each chunk after the results before it"], ...Object.entries(facts.config), ...Object.entries(facts.metadata ?? {}).map(([name, value]) => [`metadata ${name}`, value])];
  const known = rows.filter(Boolean).filter(([, value]) => value !== null && value !== undefined);
  if (!known.length && !facts.changes) return null;
  return h("section", { class: "card", "aria-labelledby": "plan-title" },
    h("h3", { id: "plan-title" }, "Made for"),
    h("table", { class: "facts" }, h("tbody", {}, known.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { dir: "auto" }, valueText(value)))))),
    facts.changes && changesTable(facts.changes));
}

function changesTable({ earlier, fields }) {
  if (!fields.length) return h("p", { class: "dim" }, "Its settings are those of the job of this file before it, ", jobLink(earlier), "; its chunks, or the wish to begin anew, made it another one.");
  return [
    h("h4", {}, "Changed since the job of this file before it, ", jobLink(earlier)),
    h("div", { class: "scroll" }, h("table", { class: "changes" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Field"), h("th", { scope: "col" }, "Before"), h("th", { scope: "col" }, "Now"))),
      h("tbody", {}, fields.map(({ field, before, after }) => h("tr", {}, h("th", { scope: "row" }, field), ...changedCells(before, after)))))),
  ];
}

function changedCells(before, after) {
  const texts = [before, after].map(wordsOf);
  if (texts.includes(null)) return [h("td", {}, valueText(before)), h("td", {}, valueText(after))];
  const [left, right] = markedTexts(...texts);
  return [h("td", { dir: "auto" }, left), h("td", { dir: "auto" }, right)];
}

// A list of words, such as a command, is read as a line.
function wordsOf(value) {
  if (typeof value === "string") return value;
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value.join(" ") : null;
}

function valueText(value) {
  const LONG = 240;
  if (value === null || value === undefined) return h("span", { class: "dim" }, "none");
  const text = wordsOf(value) ?? JSON.stringify(value);
  if (text.length <= LONG) return text;
  return h("details", {}, h("summary", {}, `${text.slice(0, 120)}\u2026 (${grouped(text.length)} characters)`), h("pre", {}, text));
}

// -- what went wrong

function errorsCard(details, open) {
  const groups = new Map();
  const tries = details.attempts;
  for (let place = 0; place < tries.index.length; place++) {
    if (tries.error[place] < 0) continue;
    const text = tries.errors[tries.error[place]];
    const name = text.split("\n")[0].replace(/\d+(\.\d+)?/g, "#");
    if (!groups.has(name)) groups.set(name, { text, chunks: new Set(), count: 0 });
    const group = groups.get(name);
    group.count++;
    group.chunks.add(tries.index[place]);
  }
  if (!groups.size) return null;
  const ordered = [...groups.values()].sort((one, other) => other.count - one.count);
  const MOST = 25;
  return h("section", { class: "card", "aria-labelledby": "errors-title" },
    h("h3", { id: "errors-title" }, "Errors"),
    h("ul", { class: "errors" }, ordered.slice(0, MOST).map(({ text, chunks, count }) => h("li", {},
      h("b", {}, `${grouped(count)}\u00d7 `),
      text.includes("\n") || text.length > 300 ? h("details", {}, h("summary", {}, text.split("\n")[0].slice(0, 300)), h("pre", {}, text)) : h("span", { dir: "auto" }, text),
      h("p", { class: "dim" }, chunks.size === 1 ? "chunk " : "chunks ", [...chunks].slice(0, 8).map((chunk) => [chunkLink(chunk, open), " "]), chunks.size > 8 ? `and ${grouped(chunks.size - 8)} more` : "")))),
    ordered.length > MOST && h("p", { class: "dim" }, `and ${grouped(ordered.length - MOST)} further kinds of error`),
    details.counts[KIND.failed] > 0 && h("p", { class: "dim" }, "Free what used up its tries: ", h("code", {}, details.facts.lines.retry)));
}

const chunkLink = (chunk, open) => h("button", { class: "link", type: "button", onclick: () => open(chunk) }, String(chunk));

function doubtCard(details, open) {
  const { facts } = details;
  const chunks = [];
  details.kinds.forEach((kind, chunk) => { if (kind === KIND.in_doubt) chunks.push(chunk); });
  if (!chunks.length) return null;
  const cost = facts.in_doubt_at_most === null
    ? "No result so far says what it cost, so what these may have cost is not known."
    : `By the dearest result so far, or what their tries reserved, they may have cost up to ${number(facts.in_doubt_at_most)} together, if all of them were billed.`;
  return h("section", { class: "card", "aria-labelledby": "doubt-title" },
    h("h3", { id: "doubt-title" }, "In doubt"),
    h("p", {}, `${chunksText(chunks.length)} ${chunks.length === 1 ? "was" : "were"} begun and never ended: the process died, or the result never came. The service may have billed the work; the next run does it again. ${facts.in_doubt_with_handle ? `Of ${grouped(facts.in_doubt_with_handle)} a service holds the work, and is asked for it instead. ` : ""}${cost}`),
    h("p", {}, chunks.slice(0, 40).map((chunk) => [chunkLink(chunk, open), " "]), chunks.length > 40 ? `and ${grouped(chunks.length - 40)} more` : ""));
}

function runnersCard(details) {
  const { runners } = details.facts;
  if (!runners.length) return null;
  return h("section", { class: "card", "aria-labelledby": "runners-title" },
    h("h3", { id: "runners-title" }, "At work"),
    h("ul", {}, runners.map((one) => h("li", {}, `runner ${one.runner}: process ${one.pid} on ${one.host}, ${chunksText(one.chunks_in_hand)} in hand`))));
}
