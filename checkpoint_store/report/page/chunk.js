// -- one chunk: its tries, and its input and result side by side

function markedTexts(before, after) {
  const left = [];
  const right = [];
  const changed = (name, tokens) => {
    const text = tokens.map((token) => token.whole).join("");
    const words = text.trimEnd();
    return [h(name, {}, words), text.slice(words.length)];
  };
  for (const [kind, one, other] of changedWords(tokensOf(before), tokensOf(after))) {
    const same = kind === "same";
    if (one.length) left.push(same ? one.map((token) => token.whole).join("") : changed("del", one));
    if (other.length) right.push(same ? other.map((token) => token.whole).join("") : changed("ins", other));
  }
  return [left.flat(), right.flat()];
}

function fillChunk(dialog, details, chunk, go, close) {
  const { facts } = details;
  const [kind, words] = KINDS[details.kinds[chunk]];
  const button = (text, label, to) => h("button", { type: "button", "aria-label": label, disabled: to < 0 || to >= facts.total, onclick: () => go(to) }, text);
  const source = details.sourceOf(chunk);
  const cost = details.costOf(chunk);
  dialog.replaceChildren(...[
    h("div", { class: "bar" },
      h("h2", { id: "chunk-title" }, `Chunk ${chunk}`, h("small", {}, ` of ${grouped(facts.total)}`), details.keys[chunk] !== undefined && h("span", { class: "key", dir: "auto" }, ` ${details.keys[chunk]}`)),
      h("div", { class: "tools" }, button("\u2039", "Chunk before", chunk - 1), button("\u203a", "Next chunk", chunk + 1), h("button", { type: "button", onclick: close }, "Close"))),
    h("p", {}, swatch(kind), ` ${words.split(";")[0]}`, source && [", paid for by job ", jobLink(source)], cost !== null && `, cost ${number(cost)}`),
    details.handles[chunk] && h("p", { class: "note" }, "A service holds its work as ", h("code", {}, details.handles[chunk]), "; the next try asks for that."),
    triesTable(details, chunk),
    ...sides(details, chunk),
  ].filter(Boolean));
}

function triesTable(details, chunk) {
  const tries = details.attemptsOf(chunk).map((place) => details.attemptAt(place));
  if (!tries.length) return null;
  const last = tries.findLast((one) => one.outcome === "completed");
  const isReplaced = (one) => one.outcome === "completed" && (one !== last || one.cost !== null); // the cost of a try stands with its result until then
  const hasCost = tries.some((one) => one.cost !== null);
  const hasError = tries.some((one) => one.error !== null);
  const names = ["Try", "Outcome", "Begun", ["Time"], hasCost && ["Cost"], "Runner", hasError && "Error"].filter(Boolean);
  return h("div", { class: "scroll" }, h("table", { class: "tries" },
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col", class: Array.isArray(name) && "number" }, name)))),
    h("tbody", {}, tries.map((one) => h("tr", {},
      h("th", { scope: "row" }, one.number),
      h("td", {}, one.outcome === "abandoned" ? "never ended" : one.outcome, isReplaced(one) && h("span", { class: "dim" }, " (result replaced since)"), one.outcome === "failed" && !one.counted ? h("span", { class: "dim" }, " (does not count)") : null),
      h("td", { class: "when" }, moment(one.start, true)),
      h("td", { class: "number" }, duration(one.seconds)),
      hasCost && h("td", { class: "number" }, number(one.cost)),
      h("td", {}, one.runner),
      hasError && h("td", { class: "error", dir: "auto" }, one.error && h("pre", {}, one.error)))))));
}

function sides(details, chunk) {
  const result = details.resultOf(chunk);
  const input = details.inputOf(chunk);
  const inputText = input === undefined ? null : mainText(input) ?? jsonText(input);
  const resultText = result === undefined ? null : mainText(result);
  const marked = inputText !== null && resultText !== null ? markedTexts(inputText, resultText) : [inputText, resultText];
  const note = details.facts.inputs === "doubtful" && input !== undefined
    ? h("p", { class: "note" }, "The store cannot tell that the job was made of this input: its chunks differ, or were identified by a function of the program.")
    : null;
  const isDone = details.kinds[chunk] === KIND.completed || details.kinds[chunk] === KIND.carried;
  const absent = isDone ? (details.facts.is_detailed && details.facts.left_out.results ? "Not on this page, which has no room for it; it is in the store." : "Completed without a result.") : "None yet.";
  const isAll = typeof result === "string" || (result && typeof result === "object" && Object.keys(result).length === 1 && resultText !== null && Object.values(result)[0] === resultText);
  return [
    note,
    result !== undefined && !isDone && h("p", { class: "note" }, "To be done again. This is its earlier result, which stays until the new result is there."),
    h("div", { class: inputText === null ? "sides single" : "sides" },
      inputText !== null && h("section", { "aria-label": "Input" }, h("h3", {}, "Input"), h("div", { class: "prose", dir: "auto" }, marked[0])),
      h("section", { "aria-label": "Result" }, h("h3", {}, "Result"),
        resultText !== null && h("div", { class: "prose", dir: "auto" }, marked[1]),
        result === undefined && h("p", { class: "dim" }, absent))),
    result !== undefined && !isAll && h("details", { open: resultText === null }, h("summary", {}, "The whole result"), h("pre", {}, jsonText(result))),
  ].filter(Boolean);
}
