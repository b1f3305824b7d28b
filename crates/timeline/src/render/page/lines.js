// The lines of the page in columns, what is certain of their order, and which of them are looked for.

// What is known of when a line was written.
const KNOWN = 0; // an interval of true time
const WORD = 1; // the word of its clock, without evidence
const NEVER = 2; // nothing
const BELONGS = 3; // it has no stamp, and belongs to the line above it

const lines = read();

function read() {
  const rows = [];
  for (const chunk of document.querySelectorAll('script.lines')) {
    for (const row of JSON.parse(chunk.textContent)) rows.push(row);
    chunk.remove();
  }
  const count = rows.length;
  const columns = {
    count,
    kind: new Uint8Array(count),
    host: new Uint32Array(count),
    log: new Uint32Array(count),
    second: new Float64Array(count), // of the earliest moment, since the page's base
    nanos: new Uint32Array(count),
    best: new Float64Array(count), // nanoseconds after the earliest
    latest: new Float64Array(count),
    shown: new Float64Array(count), // what the clock showed, as POSIX counts
    shownNanos: new Uint32Array(count),
    shownWidth: new Float64Array(count),
    stretch: new Int32Array(count),
    evidence: new Int8Array(count),
    doubt: new Int8Array(count),
    cut: new Float64Array(count),
    text: new Array(count),
    // The line that says when: itself, or the last above it in its log that does. -1 if there is none.
    anchor: new Int32Array(count),
    // Seconds since the base, for drawing.
    from: new Float64Array(count),
    at: new Float64Array(count),
    to: new Float64Array(count),
  };
  const above = new Map();
  rows.forEach((row, i) => {
    [columns.host[i], columns.log[i], columns.kind[i], columns.cut[i], columns.text[i]] = row;
    if (columns.kind[i] <= WORD) {
      [, , , , , columns.second[i], columns.nanos[i], columns.best[i], columns.latest[i]] = row;
      [columns.shown[i], columns.shownNanos[i], columns.shownWidth[i]] = row.slice(9, 12);
      [columns.stretch[i], columns.evidence[i], columns.doubt[i]] = row.slice(12, 15);
      above.set(columns.log[i], i);
      const from = columns.second[i] + columns.nanos[i] / BILLION;
      columns.from[i] = from;
      columns.at[i] = from + columns.best[i] / BILLION;
      columns.to[i] = from + columns.latest[i] / BILLION;
    } else {
      columns.doubt[i] = row[5] ?? -1;
      columns.evidence[i] = -1;
    }
    columns.anchor[i] = above.get(columns.log[i]) ?? -1;
  });
  return columns;
}

// A moment of a line: so many nanoseconds after its earliest, on the scale of TAI.
function moment(i, after) {
  return pair(about.base + lines.second[i], lines.nanos[i] + after);
}

function boundOf(i) {
  return Math.max(lines.best[i], lines.latest[i] - lines.best[i]);
}

function isBefore([second, nanos], [otherSecond, otherNanos], orAt) {
  if (second !== otherSecond) return second < otherSecond;
  return nanos < otherNanos || (orAt && nanos === otherNanos);
}

// Seconds since the base are exact to this for thousands of years.
const CLOSE = 1e-4;

const UNSURE = new Set(['year', 'boot']);

// -1 if the first was certainly written before the second, 1 if after, 0 if nobody can tell.
function order(i, j) {
  if (lines.kind[i] !== KNOWN || lines.kind[j] !== KNOWN) return 0;
  if (lines.host[i] === lines.host[j] && lines.stretch[i] >= 0 && lines.stretch[i] === lines.stretch[j]) {
    return orderByClock(i, j);
  }
  // Floating numbers tell most of them, and pairs of whole numbers those that are close.
  const [gap, back] = [lines.from[j] - lines.to[i], lines.from[i] - lines.to[j]];
  if (Math.abs(gap) > CLOSE && Math.abs(back) > CLOSE) return gap > 0 ? -1 : back > 0 ? 1 : 0;
  if (isBefore(moment(i, lines.latest[i]), moment(j, 0), false)) return -1;
  return isBefore(moment(j, lines.latest[j]), moment(i, 0), false) ? 1 : 0;
}

// One clock that was not set between two of its readings orders them, however wrong it was.
function orderByClock(i, j) {
  if ([i, j].some((line) => UNSURE.has(about.doubts[lines.doubt[line]]))) return 0;
  const begin = (line) => [lines.shown[line], lines.shownNanos[line]];
  const end = (line) => pair(lines.shown[line], lines.shownNanos[line] + lines.shownWidth[line]);
  const before = isBefore(end(i), begin(j), true);
  const after = isBefore(end(j), begin(i), true);
  return before === after ? 0 : before ? -1 : 1;
}

// What is looked for: a text, and hosts that are hidden.
const wanted = { text: '', hidden: new Set(), matches: new Uint8Array(lines.count).fill(1) };

function match() {
  const { matches, hidden } = wanted;
  const text = wanted.text.toLowerCase();
  for (let i = 0; i < lines.count; i++) {
    matches[i] = !hidden.has(lines.host[i]) && (text === '' || lines.text[i].toLowerCase().includes(text)) ? 1 : 0;
    // A line is found by what belongs to it, too.
    if (matches[i] && lines.kind[i] === BELONGS && lines.anchor[i] >= 0) matches[lines.anchor[i]] = 1;
  }
  for (let i = 0; i < lines.count; i++) {
    if (lines.kind[i] === BELONGS && lines.anchor[i] >= 0) matches[i] = matches[lines.anchor[i]];
  }
}

// The lines that are looked for and can have been written within a window of time, in the order for reading.
function within(from, to, isAll) {
  const found = [];
  for (let i = 0; i < lines.count; i++) {
    const anchor = lines.anchor[i];
    const isHere = anchor < 0 ? isAll : from <= lines.to[anchor] && lines.from[anchor] <= to;
    if (isHere && wanted.matches[i]) found.push(i);
  }
  return found;
}

// So many lines that could have been first are compared with each other.
const RIVALS_MAX = 200;

// Which of these lines can have been the first, the likeliest first; and how many are nowhere.
function firstOf(found) {
  let end = Infinity;
  let nowhere = 0;
  for (const i of found) {
    if (lines.kind[i] === KNOWN) end = Math.min(end, lines.to[i]);
    else if (lines.kind[i] !== BELONGS) nowhere += 1;
  }
  const rivals = found.filter((i) => lines.kind[i] === KNOWN && lines.from[i] <= end + 1e-6);
  rivals.sort((i, j) => lines.at[i] - lines.at[j]);
  const some = rivals.slice(0, RIVALS_MAX);
  const first = some.filter((i) => some.every((j) => order(j, i) !== -1));
  return { first: first.concat(rivals.slice(RIVALS_MAX)), nowhere };
}

// Text that commands nothing: controls are shown as pictures, and what turns the direction of writing by its number.
function harmless(text) {
  return text
    .replace(/[\0-\x08\x0b-\x1f]/g, (control) => String.fromCharCode(0x2400 + control.charCodeAt(0)))
    .replace(/[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (sign) => {
      return '⟨U+' + sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0') + '⟩';
    });
}
