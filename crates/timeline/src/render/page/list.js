// The lines in the order for reading, of which only those are elements that are seen; and all that is known of the chosen one.

const HEIGHT = 22; // pixels of a row, as the style has it
const CONCURRENT = '∥';

const chosen = { line: -1, other: -1 };
let listed = []; // the lines of the list, and numbers of gaps below zero
let gaps = []; // where nothing was written for long

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// How much of a text is a stamp and the name of the host, which are told better beside it.
function known(text, i) {
  const stamp = /^(<\d+>)?(1 )?(@[0-9a-f]{16,32}( ±[0-9.?]+)?|\d{4}-\d\d-\d\d[T ][0-9:.,]+ ?(Z|[+-]\d\d:?\d\d)?|[A-Z][a-z]{2} [ \d]\d [\d:.]{8,}) ?/.exec(text);
  if (!stamp) return 0;
  const host = about.hosts[lines.host[i]] + ' ';
  const length = stamp[0].length + (text.startsWith(host, stamp[0].length) ? host.length : 0);
  return length < text.length ? length : 0;
}

// What people read of a line.
function said(i) {
  const text = harmless(lines.text[i]);
  return text.slice(known(text, i));
}

function findGaps() {
  gaps = [];
  const nothing = wanted.text === '' && wanted.hidden.size === 0 ? 'nothing for ' : 'nothing of these for ';
  if (about.gap === null) return;
  let [last, above] = [-1, -Infinity];
  for (let i = 0; i < lines.count; i++) {
    if (lines.kind[i] > WORD || !wanted.matches[i]) continue;
    const silence = lines.at[i] - above;
    if (last >= 0 && silence > about.gap && order(last, i) === -1) {
      gaps.push({ before: i, from: above, to: lines.at[i], words: nothing + length(silence * BILLION) });
    }
    if (lines.at[i] > above) [last, above] = [i, lines.at[i]];
  }
}

function listWithin(from, to, isAll) {
  const found = within(from, to, isAll);
  const at = new Map(gaps.map((gap, number) => [gap.before, number]));
  listed = [];
  for (const i of found) {
    if (at.has(i) && listed.length > 0) listed.push(-1 - at.get(i));
    listed.push(i);
  }
  return found;
}

// A bracket joins lines of which nobody can tell which was first.
function bracket(place) {
  const neighbour = (step) => {
    let at = place + step;
    while (listed[at] >= 0 && lines.kind[listed[at]] === BELONGS) at += step;
    return listed[at];
  };
  const i = listed[place];
  const [above, below] = [neighbour(-1), neighbour(1)];
  const isJoined = (one, other) => one >= 0 && other >= 0 && order(one, other) !== -1;
  if (lines.kind[i] === BELONGS) return isJoined(above, below) ? 'through' : '';
  return { '00': '', '01': 'begin', 11: 'through', 10: 'end' }[`${+isJoined(above, i)}${+isJoined(i, below)}`];
}

function timeOf(i) {
  if (lines.kind[i] === BELONGS) return '';
  if (lines.kind[i] === NEVER) return '?';
  const digits = lines.kind[i] === KNOWN && boundOf(i) < 1000 ? 9 : 6;
  return stamp(moment(i, lines.best[i]), digits);
}

function boundTextOf(i) {
  if (lines.kind[i] === BELONGS) return '';
  return lines.kind[i] === KNOWN ? bound(boundOf(i)) : '± ?';
}

// Beside the chosen line: surely before it, surely after, or nobody can tell.
function relation(i) {
  if (chosen.line < 0 || lines.kind[i] === BELONGS) return ['', ''];
  if (i === chosen.line) return ['◆', 'the chosen line'];
  const words = { '-1': ['▴', 'surely before the chosen line'], 0: [CONCURRENT, 'before or after the chosen line: nobody can tell'], 1: ['▾', 'surely after the chosen line'] };
  return words[order(i, chosen.line)];
}

function rowOf(place) {
  const i = listed[place];
  if (i < 0) {
    const row = element('div', 'row gap');
    row.append(element('span', '', '… ' + gaps[-1 - i].words));
    return row;
  }
  const kind = ['known', 'word', 'never', 'belongs'][lines.kind[i]];
  const row = element('div', `row line ${kind}`);
  row.dataset.line = i;
  row.id = 'line-' + i;
  row.setAttribute('role', 'option');
  row.setAttribute('aria-selected', String(i === chosen.line));
  if (i === chosen.other) row.classList.add('other');
  const [sign, words] = relation(i);
  const related = element('span', 'relation', sign);
  related.title = words;
  if (sign === CONCURRENT) row.classList.add('concurrent');
  const host = element('span', 'host', lines.kind[i] === BELONGS && lines.anchor[i] >= 0 ? '' : about.hosts[lines.host[i]]);
  host.style.setProperty('--own', colour(lines.host[i]));
  const time = element('span', 'time');
  const told = timeOf(i);
  const clock = clockOf(told);
  time.append(lines.kind[i] === WORD ? '~' : ' ', element('span', 'faint', told.slice(0, told.length - clock.length)), clock);
  row.append(related, time, element('span', 'bound', boundTextOf(i)), host, element('span', `bracket ${bracket(place)}`), textOf(i));
  return row;
}

// The text of a line, with what is looked for marked in it.
function textOf(i) {
  const made = element('span', 'text');
  const text = harmless(lines.text[i]).slice(0, 600);
  const start = known(text, i);
  const find = wanted.text.toLowerCase();
  const lower = text.toLowerCase();
  const plain = (from, to) => {
    const edge = Math.min(Math.max(start, from), to);
    if (from < edge) made.append(element('span', 'faint', text.slice(from, edge)));
    made.append(text.slice(edge, to));
  };
  let from = 0;
  // Where lower case has another length than the text, places cannot be told.
  for (let at = find && lower.length === text.length ? lower.indexOf(find) : -1; at >= 0; at = lower.indexOf(find, from)) {
    plain(from, at);
    made.append(element('mark', '', text.slice(at, at + find.length)));
    from = at + find.length;
  }
  plain(from, text.length);
  return made;
}

function showList(list, rows) {
  const top = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 5);
  const bottom = Math.min(listed.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + 5);
  rows.style.height = listed.length * HEIGHT + 'px';
  const some = [];
  for (let place = top; place < bottom; place++) {
    const row = rowOf(place);
    row.style.top = place * HEIGHT + 'px';
    some.push(row);
  }
  rows.replaceChildren(...some);
}

const EVIDENCE = {
  history: 'the history of its own daemon',
  chrony: "chronyd's tracking log",
  ntpd: 'the statistics of ntpd',
  claim: 'what the line itself claims',
  told: 'what was said by --assume',
  causality: 'what was before what',
};

const DOUBTS = {
  zone: 'its stamp has no zone',
  'summer time': 'an hour that clocks showed twice, or never',
  label: 'its label is TAI, or the clock and ten seconds',
  'leap second': 'a leap second, which is one of its neighbours',
  year: 'its stamp has no year',
  boot: 'seconds since a boot of which nothing is known',
};

function facts(i) {
  const rows = [];
  const kind = lines.kind[i];
  if (kind === KNOWN) {
    rows.push(['earliest', stamp(moment(i, 0), 9)], ['likeliest', stamp(moment(i, lines.best[i]), 9)]);
    rows.push(['latest', stamp(moment(i, lines.latest[i]), 9)], ['bound', bound(boundOf(i))]);
  }
  if (kind === WORD) rows.push(['true time', 'not known: the chart shows what its clock said']);
  if (kind === NEVER) rows.push(['true time', 'not known, and the stamp says too little to place it']);
  if (kind === BELONGS) {
    const whose = lines.anchor[i] >= 0 ? 'belongs to the line above it' : 'there is none above it in its log to belong to';
    rows.push(['true time', `it has no stamp that is known, and ${whose}`]);
  }
  if (kind <= WORD) {
    const shown = calendar(lines.shown[i]) + fraction(lines.shownNanos[i], 9);
    const width = lines.shownWidth[i] > 1 ? `, or up to ${length(lines.shownWidth[i])} more` : '';
    rows.push(['its clock', `${shown}Z${width}`]);
  }
  if (lines.evidence[i] >= 0 && kind === KNOWN) {
    const word = about.evidence[lines.evidence[i]];
    rows.push(['evidence', `${word}: ${EVIDENCE[word]}`]);
  } else if (kind <= NEVER) rows.push(['evidence', 'none']);
  if (lines.doubt[i] >= 0) rows.push(['doubt', DOUBTS[about.doubts[lines.doubt[i]]]]);
  rows.push(['host', about.hosts[lines.host[i]]], ['log', about.logs[lines.log[i]]]);
  return rows;
}

// How one line is to another, in words.
function compared(i, j) {
  const names = `${about.hosts[lines.host[i]]} ${timeOf(i)}`;
  const kinds = [lines.kind[i], lines.kind[j]];
  if (kinds.some((kind) => kind !== KNOWN)) return `Nobody can tell whether it was before or after ${names}: there is no evidence.`;
  const direction = order(j, i);
  const apart = (a, b) => (a[0] - b[0]) * BILLION + a[1] - b[1];
  if (direction === 0) {
    const overlap = Math.min(apart(moment(j, lines.latest[j]), moment(i, 0)), apart(moment(i, lines.latest[i]), moment(j, 0)));
    return `Nobody can tell whether it was before or after ${names}: their intervals overlap by ${length(overlap)}.`;
  }
  const [first, second] = direction < 0 ? [j, i] : [i, j];
  const least = Math.max(0, apart(moment(second, 0), moment(first, lines.latest[first])));
  const most = apart(moment(second, lines.latest[second]), moment(first, 0));
  return `Surely ${direction < 0 ? 'before' : 'after'} ${names}, by ${length(least)} to ${length(most)}.`;
}

function showDetail(place) {
  const i = chosen.line;
  if (i < 0) {
    place.replaceChildren(element('p', 'hint', 'Choose a line to see what is known of it, and what can have been before or after it. Shift and click on a second one to compare.'));
    return;
  }
  const list = element('dl');
  for (const [name, value] of facts(i)) list.append(element('dt', '', name), element('dd', '', value));
  const raw = element('pre', '', harmless(lines.text[i]));
  if (lines.cut[i] > 0) raw.append(element('em', '', ` [... ${lines.cut[i]} bytes more]`));
  place.replaceChildren(raw, list);
  if (lines.kind[i] === KNOWN) place.prepend(element('p', 'verdict', standing(i)));
  if (chosen.other >= 0) place.prepend(element('p', 'verdict compared', compared(chosen.other, i)));
}

// Where a line stands among all that are looked for.
function standing(i) {
  const counts = { '-1': 0, 0: 0, 1: 0 };
  for (let j = 0; j < lines.count; j++) {
    if (j !== i && wanted.matches[j] && lines.kind[j] <= NEVER) counts[order(j, i)] += 1;
  }
  const number = (count) => count.toLocaleString('en');
  return `Surely after ${number(counts[-1])} lines and before ${number(counts[1])}; with ${number(counts[0])} nobody can tell.`;
}
