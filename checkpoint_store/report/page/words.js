// -- the words that changed between an input and its result

const TOKEN = /(?:[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{N}\p{M}_'\u2019]+|[^\s])\s*/gu;
const CELLS_MAX = 4_000_000;

function tokensOf(text) {
  return (text.match(TOKEN) ?? []).map((whole) => ({ whole, word: whole.trimEnd() }));
}

// Returns [kind, tokens of the one, tokens of the other] in order; kind is "same" or "changed".
function changedWords(before, after) {
  const parts = [];
  const add = (kind, left, right) => {
    const last = parts[parts.length - 1];
    if (!left.length && !right.length) return;
    if (last && last[0] === kind) {
      last[1].push(...left);
      last[2].push(...right);
    } else parts.push([kind, [...left], [...right]]);
  };
  compare(before, after, add);
  return parts;
}

function compare(before, after, add) {
  let start = 0;
  while (start < before.length && start < after.length && before[start].word === after[start].word) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end].word === after[after.length - 1 - end].word) end++;
  add("same", before.slice(0, start), after.slice(0, start));
  const left = before.slice(start, before.length - end);
  const right = after.slice(start, after.length - end);
  if (!left.length || !right.length) add("changed", left, right);
  else if (left.length * right.length <= CELLS_MAX) longestCommon(left, right, add);
  else betweenUniqueWords(left, right, add);
  add("same", before.slice(before.length - end), after.slice(after.length - end));
}

function longestCommon(left, right, add) {
  const width = right.length + 1;
  const length = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      length[i * width + j] = left[i].word === right[j].word
        ? length[(i + 1) * width + j + 1] + 1
        : Math.max(length[(i + 1) * width + j], length[i * width + j + 1]);
    }
  }
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i].word === right[j].word) add("same", [left[i++]], [right[j++]]);
    else if (j >= right.length || (i < left.length && length[(i + 1) * width + j] >= length[i * width + j + 1])) add("changed", [left[i++]], []);
    else add("changed", [], [right[j++]]);
  }
}

// Long texts are cut at words that stand once in each; without such a word all of it counts as changed.
function betweenUniqueWords(left, right, add) {
  const once = (tokens) => {
    const places = new Map();
    tokens.forEach(({ word }, place) => places.set(word, places.has(word) ? -1 : place));
    return places;
  };
  const there = once(right);
  const pairs = [...once(left)].filter(([word, place]) => place >= 0 && (there.get(word) ?? -1) >= 0).map(([word, place]) => [place, there.get(word)]);
  const anchors = increasing(pairs.sort((one, other) => one[0] - other[0]));
  if (!anchors.length) {
    add("changed", left, right);
    return;
  }
  let [i, j] = [0, 0];
  for (const [nextI, nextJ] of anchors) {
    compare(left.slice(i, nextI), right.slice(j, nextJ), add);
    add("same", [left[nextI]], [right[nextJ]]);
    [i, j] = [nextI + 1, nextJ + 1];
  }
  compare(left.slice(i), right.slice(j), add);
}

function increasing(pairs) {
  const ends = [];
  const before = new Array(pairs.length).fill(-1);
  pairs.forEach(([, value], place) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[ends[middle]][1] < value) low = middle + 1;
      else high = middle;
    }
    before[place] = low ? ends[low - 1] : -1;
    ends[low] = place;
  });
  const found = [];
  for (let place = ends.length ? ends[ends.length - 1] : -1; place >= 0; place = before[place]) found.push(pairs[place]);
  return found.reverse();
}

// The text that people compare: of an object the usual field, or else the longest text in it.
const TEXT_FIELDS = ["cleaned_text", "text", "output", "content", "answer", "translation", "summary"];

function mainText(value) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object") return null;
  for (const name of TEXT_FIELDS) if (typeof value[name] === "string") return value[name];
  let longest = null;
  for (const inner of Object.values(value)) {
    const found = mainText(inner);
    if (found !== null && (longest === null || found.length > longest.length)) longest = found;
  }
  return longest;
}
