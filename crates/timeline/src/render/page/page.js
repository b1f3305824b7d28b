// What the person does, and what follows from it.

const place = (id) => document.getElementById(id);
const [canvas, list, rows, detail, tip] = ['canvas', 'list', 'rows', 'detail', 'tip'].map(place);
const whole = reach();
let listing = 0;

// The view has moved: what is below follows, once for a frame.
function moved() {
  cancelAnimationFrame(listing);
  listing = requestAnimationFrame(() => {
    const isAll = view.from <= whole.from && whole.to <= view.to;
    const found = listWithin(view.from, view.to, isAll);
    list.scrollTop = 0;
    showList(list, rows);
    showVerdict(found, isAll);
    showOverview();
    remember();
  });
}

// What is seen is in the address, so that it can be shown to others who have the page.
let remembering = 0;

function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    const state = new URLSearchParams({ from: view.from, to: view.to });
    for (const name of ['line', 'other']) if (chosen[name] >= 0) state.set(name, chosen[name]);
    if (wanted.text) state.set('find', wanted.text);
    location.replace('#' + state);
  }, 400);
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  const number = (name) => Number.parseFloat(state.get(name) ?? '');
  const [from, to] = [number('from'), number('to')];
  if (from < to) [view.from, view.to] = [from, to];
  for (const name of ['line', 'other']) if (number(name) >= 0 && number(name) < lines.count) chosen[name] = Math.floor(number(name));
  place('search').value = state.get('find') ?? '';
}

function redraw() {
  plot.redraw(false, true);
  showList(list, rows);
  showDetail(detail);
  remember();
}

const number = (count, noun) => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

function naming(i) {
  const made = element('button', 'named');
  const host = element('b', '', about.hosts[lines.host[i]]);
  host.style.setProperty('--own', colour(lines.host[i]));
  made.append(host, ` “${fitting(said(i), 32)}” ${clockOf(timeOf(i))} ${boundTextOf(i)}`);
  made.onclick = () => choose(i);
  return made;
}

// What happened first, and how sure that is.
function showVerdict(found, isAll) {
  const { first, nowhere } = firstOf(found);
  const count = found.filter((i) => lines.kind[i] !== BELONGS).length;
  const told = place('verdict');
  const said = [];
  if (first.length === 1) {
    said.push(element('strong', 'sure', 'Surely first'), naming(first[0]));
  } else if (first.length > 1) {
    said.push(element('strong', 'open', 'Nobody can tell which was first'), naming(first[0]), 'or', naming(first[1]));
    if (first.length > 2) said.push(`or ${first.length - 2} more`);
  } else {
    said.push(element('strong', 'open', lines.count === 0 ? 'No line was told' : count > 0 ? 'No line here has evidence' : 'No line'));
  }
  const notes = [`${number(count, 'line')} ${isAll ? 'in all' : 'in view'}`];
  if (nowhere > 0 && first.length > 0) notes.push(`${nowhere} without evidence may have been at any time`);
  told.replaceChildren(...said, element('span', 'notes', notes.join(' · ')));
}

// How many lines there are in each two pixels of the whole.
function countOverview(width) {
  const counts = new Uint32Array(Math.ceil(width / 2) + 1);
  const scale = width / (whole.to - whole.from);
  for (let i = 0; i < lines.count; i++) {
    if (wanted.matches[i] && lines.kind[i] <= WORD) counts[Math.floor(((lines.at[i] - whole.from) * scale) / 2)] += 1;
  }
  return counts;
}

let counted = null; // for this width, until something else is looked for

function showOverview() {
  const strip = place('overview');
  const pen = strip.getContext('2d');
  const [width, height] = [strip.clientWidth, strip.clientHeight].map((size) => Math.round(size * devicePixelRatio));
  if (strip.width !== width || strip.height !== height) [strip.width, strip.height] = [width, height];
  if (counted?.width !== width) counted = { width, counts: countOverview(width) };
  const { counts } = counted;
  const scale = width / (whole.to - whole.from);
  const most = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 1));
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = style.muted;
  counts.forEach((count, at) => {
    const size = (Math.log1p(count) / most) * (height - 6);
    if (count > 0) pen.fillRect(at * 2, height - size - 2, 2, size);
  });
  const [left, right] = [(view.from - whole.from) * scale, (view.to - whole.from) * scale];
  pen.fillStyle = style['accent-soft'];
  pen.fillRect(left, 0, Math.max(right - left, 2), height);
  pen.strokeStyle = style.accent;
  pen.lineWidth = devicePixelRatio;
  pen.strokeRect(left + 0.5, 0.5, Math.max(right - left, 2) - 1, height - 1);
}

function showNames() {
  const names = lanes.shown.map((host) => {
    const made = element('div', 'lane');
    made.style.height = lanes.height + 'px';
    const name = element('b', '', about.hosts[host]);
    name.style.setProperty('--own', colour(host));
    name.title = about.hosts[host];
    const of = lanes.of.get(host) ?? [];
    const known = of.filter((i) => lines.kind[i] === KNOWN);
    const worst = known.reduce((most, i) => Math.max(most, boundOf(i)), 0);
    const words = known.length > 0 ? `at worst ${bound(worst)}` : of.length > 0 ? 'no evidence' : '';
    made.append(name, element('span', '', number(of.length, 'line')));
    if (lanes.height > 50) made.append(element('span', '', words));
    if (lanes.height > 66 && known.length > 0 && known.length < of.length) made.append(element('span', '', `${of.length - known.length} without evidence`));
    return made;
  });
  place('names').replaceChildren(...names);
}

function showHosts() {
  const buttons = about.hosts.slice(0, 200).map((name, host) => {
    const made = element('button', 'chip', name);
    made.style.setProperty('--own', colour(host));
    made.setAttribute('aria-pressed', String(!wanted.hidden.has(host)));
    made.title = 'Show or hide this host; with shift, show it alone';
    made.onclick = (event) => {
      const others = [...about.hosts.keys()].filter((other) => other !== host);
      if (event.shiftKey) wanted.hidden = new Set(others);
      else if (!wanted.hidden.delete(host)) wanted.hidden.add(host);
      search();
    };
    return made;
  });
  place('hosts').replaceChildren(...buttons);
}

// Something else is looked for.
function search() {
  wanted.text = place('search').value;
  match();
  counted = null;
  gatherLanes();
  findGaps();
  showHosts();
  fit();
  const left = lanes.left > 0 ? `${number(lanes.left, 'host')} with fewer lines have no lane; hide others to see them` : '';
  place('left').textContent = left;
}

function fit() {
  fitPlot(canvas, Math.max(180, window.innerHeight * 0.44));
  showNames();
  look(view.from, view.to);
  redraw();
}

function choose(i, isOther) {
  if (isOther && chosen.line >= 0) chosen.other = i === chosen.line ? -1 : i;
  else [chosen.line, chosen.other] = [i, -1];
  if (i >= 0 && lines.kind[i] <= WORD && (lines.at[i] < view.from || view.to < lines.at[i])) {
    const half = (view.to - view.from) / 2;
    look(lines.at[i] - half, lines.at[i] + half);
  }
  redraw();
}

// The next line of the list, or the one before.
function step(by) {
  let at = listed.indexOf(chosen.line) + (chosen.line < 0 && by < 0 ? 0 : by);
  while (listed[at] < 0) at += by;
  if (listed[at] === undefined) return;
  choose(listed[at]);
  const now = listed.indexOf(chosen.line);
  if (now < 0) return;
  const [top, bottom] = [now * HEIGHT, (now + 1) * HEIGHT];
  if (top < list.scrollTop) list.scrollTop = top;
  if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  showList(list, rows);
}

function barAt(event) {
  const box = plot.over.getBoundingClientRect();
  const ratio = devicePixelRatio;
  const [x, y] = [(event.clientX - box.left) * ratio + plot.bbox.left, (event.clientY - box.top) * ratio + plot.bbox.top];
  const hits = bars.filter((bar) => bar.left - 2 <= x && x <= bar.right + 2 && bar.top <= y && y <= bar.bottom);
  return hits.sort((a, b) => a.right - a.left - (b.right - b.left))[0];
}

function showTip(event) {
  const bar = barAt(event);
  tip.hidden = !bar;
  if (!bar) return;
  if (bar.crowd) tip.replaceChildren(element('b', '', `${number(bar.crowd, 'line')} of ${about.hosts[bar.host]}`), ' zoom in to tell them apart');
  else tip.replaceChildren(element('b', '', `${timeOf(bar.line)} ${boundTextOf(bar.line)}`), ` ${about.hosts[lines.host[bar.line]]}`, element('div', '', fitting(harmless(lines.text[bar.line]), 300)));
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)) + 'px';
  tip.style.top = Math.min(event.clientY + 18, window.innerHeight - tip.offsetHeight - 8) + 'px';
}

function timeAt(event) {
  const box = plot.over.getBoundingClientRect();
  return view.from + ((event.clientX - box.left) / box.width) * (view.to - view.from);
}

const pointers = new Map();
let grip = null; // where the pointer went down, and what was in view

function grasp(event) {
  if (event.button !== 0) return;
  plot.over.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  grip = { x: event.clientX, from: view.from, to: view.to, isFar: false, isFrame: event.shiftKey };
}

function drag(event) {
  if (!pointers.has(event.pointerId)) return showTip(event);
  const width = plot.over.clientWidth;
  if (pointers.size === 2) {
    const before = [...pointers.values()].map((pointer) => pointer.clientX);
    pointers.set(event.pointerId, event);
    const after = [...pointers.values()].map((pointer) => pointer.clientX);
    const apart = ([a, b]) => Math.max(8, Math.abs(a - b));
    zoom(apart(before) / apart(after), timeAt({ clientX: (after[0] + after[1]) / 2 }));
    return;
  }
  pointers.set(event.pointerId, event);
  const way = event.clientX - grip.x;
  grip.isFar ||= Math.abs(way) > 3;
  tip.hidden = true;
  if (grip.isFrame) {
    const left = Math.min(grip.x, event.clientX) - plot.over.getBoundingClientRect().left;
    plot.setSelect({ left, width: Math.abs(way), top: 0, height: plot.over.clientHeight }, false);
  } else if (grip.isFar) {
    const shift = (way / width) * (grip.to - grip.from);
    look(grip.from - shift, grip.to - shift);
  }
}

function release(event) {
  if (!pointers.delete(event.pointerId) || !grip) return;
  if (grip.isFrame && grip.isFar) {
    const ends = [timeAt({ clientX: grip.x }), timeAt(event)].sort((a, b) => a - b);
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    look(...ends);
  } else if (!grip.isFar) {
    const bar = barAt(event);
    choose(bar?.line ?? -1, event.shiftKey);
  }
}

function wheel(event) {
  event.preventDefault();
  const pixels = event.deltaMode === 1 ? 16 : 1;
  if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
    const shift = (((event.deltaX || event.deltaY) * pixels) / plot.over.clientWidth) * (view.to - view.from);
    look(view.from + shift, view.to + shift);
  } else zoom(1.0022 ** (event.deltaY * pixels), timeAt(event));
}

const KEYS = {
  ArrowLeft: () => zoomAside(-0.2),
  ArrowRight: () => zoomAside(0.2),
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  j: () => step(1),
  '+': () => zoom(0.6, (view.from + view.to) / 2),
  '=': () => zoom(0.6, (view.from + view.to) / 2),
  '-': () => zoom(1 / 0.6, (view.from + view.to) / 2),
  0: () => look(whole.from, whole.to),
  f: () => look(whole.from, whole.to),
  Enter: () => chosen.line >= 0 && lines.kind[chosen.line] <= WORD && lookAt(chosen.line),
  '/': () => place('search').select(),
  Escape: () => choose(-1),
};

function zoomAside(part) {
  const shift = (view.to - view.from) * part;
  look(view.from + shift, view.to + shift);
}

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.tagName === 'INPUT') {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if (event.target.tagName === 'BUTTON' && event.key === 'Enter') return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function showScale() {
  for (const name of ['utc', 'tai']) place(name).setAttribute('aria-pressed', String(scale === name));
  const [from, to] = [whole.first, whole.last].map((time) => stamp([about.base + Math.floor(time), 0], 0));
  const what = about.hosts.length === 0 ? 'no lines' : `${number(about.hosts.length, 'host')} · ${number(lines.count, 'line')} · ${from} to ${from.split('T')[0] === to.split('T')[0] ? clockOf(to) : to}`;
  place('what').textContent = what;
}

function setScale(name) {
  scale = name;
  showScale();
  fit();
}

function showLeftOut() {
  const out = about.left_out;
  if (out === null) return;
  const until = out.from ? ` It ends at ${stamp(out.from, 0)}.` : '';
  const to = out.to ? ` to ${stamp(out.to, 0)}` : '';
  const which = out.from ? ` (${stamp(out.from, 0)}${to})` : '';
  place('warning').textContent = `This page has only the first ${number(lines.count, 'line')}.${until} ${number(out.lines, 'more line')}${which} were left out: --from and --to choose a time.`;
  place('warning').hidden = false;
}

function listen() {
  const over = plot.over;
  over.addEventListener('wheel', wheel, { passive: false });
  over.addEventListener('pointerdown', grasp);
  over.addEventListener('pointermove', drag);
  over.addEventListener('pointerup', release);
  over.addEventListener('pointercancel', (event) => pointers.delete(event.pointerId));
  over.addEventListener('pointerleave', () => (tip.hidden = true));
  over.addEventListener('dblclick', (event) => (barAt(event)?.line >= 0 ? lookAt(barAt(event).line) : look(whole.from, whole.to)));
  list.addEventListener('scroll', () => showList(list, rows));
  list.addEventListener('click', (event) => {
    const row = event.target.closest('.line');
    if (row) choose(Number(row.dataset.line), event.shiftKey);
  });
  list.addEventListener('dblclick', (event) => {
    const row = event.target.closest('.line');
    const anchor = row ? lines.anchor[Number(row.dataset.line)] : -1;
    if (anchor >= 0) lookAt(anchor);
  });
  let typing = 0;
  place('search').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(search, 150);
  });
  place('fit').onclick = () => look(whole.from, whole.to);
  for (const name of ['utc', 'tai']) place(name).onclick = () => setScale(name);
  const strip = place('overview');
  const jump = (event) => {
    if (event.buttons !== 1) return;
    const middle = whole.from + (event.offsetX / strip.clientWidth) * (whole.to - whole.from);
    const half = (view.to - view.from) / 2;
    look(middle - half, middle + half);
  };
  strip.addEventListener('pointerdown', jump);
  strip.addEventListener('pointermove', jump);
  document.addEventListener('keydown', key);
  window.addEventListener('resize', fit);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    readStyle();
    search();
    showOverview();
  });
}

readStyle();
Object.assign(view, { from: whole.from, to: whole.to, least: whole.least, most: whole.most });
document.body.classList.add('ready');
if (lines.count === 0) document.body.classList.add('empty');
makePlot(canvas);
listen();
showScale();
showLeftOut();
recall();
search();
