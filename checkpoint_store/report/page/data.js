// -- the data: each part is read when somebody looks at it

const block = (id, revive) => {
  const element = one(id);
  return element ? JSON.parse(element.textContent, revive) : null;
};

// Whole numbers that JavaScript would round stay as they are written.
const exact = (_, value, context) => (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value);
const jsonText = (value) => JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? JSON.rawJSON(inner.toString()) : inner), 2);

const index = block("index");

class Details {
  constructor(place) {
    this.place = place;
    this.facts = index.jobs[place];
    const { marks, ranges, completions, attempts, keys, handles, redo } = block(`columns-${place}`);
    this.completions = completions ?? { index: [], at: [], sources: [] };
    this.attempts = attempts ?? { index: [], number: [], start: [], seconds: [], error: [], cost: [], runner: [], outcome: "", counted: "", errors: [] };
    this.keys = keys ?? {};
    this.handles = handles;
    this.hasKeys = Object.keys(this.keys).length > 0;
    this.kinds = kindsOf(this.facts.total, ranges, marks, this.completions, redo);
    this.counts = new Array(KINDS.length).fill(0);
    for (const kind of this.kinds) this.counts[kind]++;
    this.texts = new Map();
    this.searchable = new Map();
  }

  // Where the attempts at each chunk begin; they are in the order of the chunks.
  get attemptStart() {
    return (this._attemptStart ??= starts(this.attempts.index, this.facts.total));
  }

  get completionAt() {
    return (this._completionAt ??= places(this.completions.index, this.facts.total));
  }

  attemptsOf(chunk) {
    const found = [];
    for (let place = this.attemptStart[chunk]; place < this.attemptStart[chunk + 1]; place++) found.push(place);
    return found;
  }

  attemptAt(place) {
    const { number, start, seconds, error, cost, runner, outcome, counted, errors } = this.attempts;
    return {
      number: number[place],
      start: this.facts.started_at + start[place],
      seconds: seconds[place],
      error: error[place] < 0 ? null : errors[error[place]],
      cost: cost[place],
      runner: runner[place],
      outcome: { c: "completed", f: "failed", a: "abandoned", r: "running" }[outcome[place]],
      counted: counted[place] === "1",
    };
  }

  triesOf(chunk) {
    return this.attemptStart[chunk + 1] - this.attemptStart[chunk];
  }

  secondsOf(chunk) {
    let found = null;
    for (let place = this.attemptStart[chunk]; place < this.attemptStart[chunk + 1]; place++) found = this.attempts.seconds[place] ?? found;
    return found;
  }

  costOf(chunk) {
    const place = this.completionAt[chunk];
    return place < 0 || !this.completions.cost ? null : this.completions.cost[place];
  }

  whenOf(chunk) {
    const place = this.completionAt[chunk];
    if (place >= 0) return this.facts.started_at + this.completions.at[place];
    const last = this.attemptStart[chunk + 1] - 1;
    return last < this.attemptStart[chunk] ? null : this.facts.started_at + this.attempts.start[last] + 1000 * (this.attempts.seconds[last] ?? 0);
  }

  sourceOf(chunk) {
    const place = this.completionAt[chunk];
    const source = place < 0 || !this.completions.source ? -1 : this.completions.source[place];
    return source < 0 ? null : this.completions.sources[source];
  }

  errorOf(chunk) {
    const last = this.attemptStart[chunk + 1] - 1;
    return last < this.attemptStart[chunk] || this.attempts.error[last] < 0 ? null : this.attempts.errors[this.attempts.error[last]];
  }

  textsOf(chunk) {
    const number = Math.floor(chunk / index.block_chunks);
    if (!this.texts.has(number)) this.texts.set(number, block(`texts-${this.place}-${number}`, exact) ?? { results: {}, inputs: {} });
    return this.texts.get(number);
  }

  resultOf(chunk) {
    return this.textsOf(chunk).results[chunk];
  }

  inputOf(chunk) {
    return this.textsOf(chunk).inputs[chunk];
  }

  // What a search looks through: the key, errors, the result and the input of a chunk.
  searchTextOf(chunk) {
    if (!this.searchable.has(chunk)) {
      const found = [this.keys[chunk] ?? "", this.handles[chunk] ?? ""];
      for (const place of this.attemptsOf(chunk)) if (this.attempts.error[place] >= 0) found.push(this.attempts.errors[this.attempts.error[place]]);
      wordsIn(this.resultOf(chunk), found);
      wordsIn(this.inputOf(chunk), found);
      this.searchable.set(chunk, found.join("\n").toLowerCase());
    }
    return this.searchable.get(chunk);
  }
}

function wordsIn(value, found) {
  if (value === undefined || value === null) return;
  if (typeof value !== "object") found.push(String(value));
  else for (const inner of Object.values(value)) wordsIn(inner, found);
}

function kindsOf(total, ranges, marks, completions, redo) {
  const kinds = new Uint8Array(total);
  for (const [start, stop] of ranges ?? []) kinds.fill(KIND.completed, start, stop);
  completions.index.forEach((chunk, place) => {
    kinds[chunk] = completions.source && completions.source[place] >= 0 ? KIND.carried : KIND.completed;
  });
  for (const chunk of redo ?? []) kinds[chunk] = KIND.redo;
  for (const name of ["running", "retried", "in_doubt", "failed"]) for (const chunk of marks[name]) kinds[chunk] = KIND[name];
  return kinds;
}

function starts(indices, total) {
  const found = new Int32Array(total + 1);
  for (const chunk of indices) found[chunk + 1]++;
  for (let chunk = 0; chunk < total; chunk++) found[chunk + 1] += found[chunk];
  return found;
}

function places(indices, total) {
  const found = new Int32Array(total).fill(-1);
  indices.forEach((chunk, place) => { found[chunk] = place; });
  return found;
}

const known = new Map();
const detailsOf = (place) => {
  if (!known.has(place)) known.set(place, new Details(place));
  return known.get(place);
};
