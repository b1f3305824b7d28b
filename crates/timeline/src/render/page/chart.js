// The lanes: a host each, a bar for each line from the earliest to the latest moment, a tick at the likeliest.

const LANES_MAX = 40;
const ROW = 16; // pixels that a line needs within its lane
const ROWS_MAX = 60;
const BARS_MAX = 2500; // where more lines of a lane are in view, they are counted and not drawn one by one
const LABEL = 150; // pixels that are kept free for the text of a line where there is room
const AXIS = 40;
const HEAD = 16; // pixels above the lanes, where gaps are named

const style = {};

function readStyle() {
  const computed = getComputedStyle(document.documentElement);
  for (const name of ['text', 'muted', 'edge', 'lane', 'accent', 'accent-soft', 'back']) {
    style[name] = computed.getPropertyValue('--' + name).trim();
  }
  style.hosts = [0, 1, 2, 3, 4, 5, 6, 7].map((number) => computed.getPropertyValue('--host-' + number).trim());
  style.hatch = new Map();
}

function colour(host) {
  return style.hosts[host % style.hosts.length];
}

// Lines across mean: not known.
function hatch(context, host) {
  const name = colour(host);
  if (!style.hatch.has(name)) {
    const tile = document.createElement('canvas');
    const size = Math.round(6 * devicePixelRatio);
    tile.width = tile.height = size;
    const pen = tile.getContext('2d');
    pen.strokeStyle = name;
    pen.lineWidth = devicePixelRatio;
    pen.beginPath();
    for (const shift of [-size, 0, size]) {
      pen.moveTo(shift, size);
      pen.lineTo(shift + size, 0);
    }
    pen.stroke();
    style.hatch.set(name, context.createPattern(tile, 'repeat'));
  }
  return style.hatch.get(name);
}

const view = { from: 0, to: 1, least: 0, most: 1 };
const lanes = { of: new Map(), shown: [], left: 0, height: 0, laid: new Map(), crowded: new Set(), row: new Uint8Array(lines.count) };
let plot = null;
let bars = []; // what was drawn last, for the pointer: line, left, right, top, bottom

// Where lines are on the whole, without those that can have been at any time of a day.
function reach() {
  let [from, to, least, most] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < lines.count; i++) {
    if (lines.kind[i] > WORD) continue;
    from = Math.min(from, lines.at[i]);
    to = Math.max(to, lines.at[i]);
    least = Math.min(least, lines.from[i]);
    most = Math.max(most, lines.to[i]);
  }
  if (from > to) [from, to, least, most] = [0, 0, 0, 0];
  const room = Math.max((to - from) * 0.05, 1e-3);
  return { first: from, last: to, from: from - room, to: to + room, least: Math.min(least, from) - room, most: Math.max(most, to) + room };
}

function gatherLanes() {
  lanes.of.clear();
  for (let i = 0; i < lines.count; i++) {
    if (!wanted.matches[i] || lines.kind[i] > WORD) continue;
    if (!lanes.of.has(lines.host[i])) lanes.of.set(lines.host[i], []);
    lanes.of.get(lines.host[i]).push(i);
  }
  const isWanted = (host) => !wanted.hidden.has(host) && (wanted.text === '' || lanes.of.has(host));
  const hosts = [...about.hosts.keys()].filter(isWanted);
  const size = (host) => lanes.of.get(host)?.length ?? 0;
  lanes.shown = hosts.sort((a, b) => size(b) - size(a)).slice(0, LANES_MAX).sort((a, b) => a - b);
  lanes.left = hosts.length - lanes.shown.length;
  for (const of of lanes.of.values()) of.sort((a, b) => lines.from[a] - lines.from[b]);
  lanes.laid.clear();
}

// Lays the lines of a lane side by side where they would lie on each other. It depends on the zoom alone, so that nothing jumps
// when the view is moved.
function layOut(host, scale, rows) {
  const of = lanes.of.get(host) ?? [];
  const place = (label) => {
    const ends = new Float64Array(rows).fill(-Infinity);
    let crowded = 0;
    for (const i of of) {
      const left = lines.from[i] * scale;
      const right = Math.max(lines.to[i] * scale, lines.at[i] * scale + 4 + label);
      let row = 0;
      for (let other = 0; other < rows && ends[row] > left; other++) if (ends[other] < ends[row]) row = other;
      if (ends[row] > left) crowded += 1;
      ends[row] = Math.max(ends[row], right + 2);
      lanes.row[i] = row;
    }
    return crowded;
  };
  lanes.crowded.delete(host);
  if (of.length > 0 && place(LABEL) > of.length / 50 && place(0) > of.length / 20) lanes.crowded.add(host);
}

function draw(u) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const scale = bbox.width / (view.to - view.from);
  const x = (time) => bbox.left + (time - view.from) * scale;
  const rows = Math.min(ROWS_MAX, Math.max(1, Math.floor((lanes.height - 6) / ROW)));
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - HEAD * ratio, bbox.width, bbox.height + HEAD * ratio);
  ctx.clip();
  ctx.font = `${11 * ratio}px ui-monospace, monospace`;
  ctx.textBaseline = 'middle';
  bars = [];
  drawLanes(ctx, bbox, ratio);
  drawGaps(ctx, bbox, x, ratio);
  drawChosen(ctx, bbox, x, ratio);
  lanes.shown.forEach((host, number) => {
    const top = bbox.top + number * lanes.height * ratio;
    const seen = (lanes.of.get(host) ?? []).filter((i) => view.from <= lines.to[i] && lines.from[i] <= view.to);
    const frame = { ctx, bbox, x, ratio, top, rows };
    if (seen.length > BARS_MAX) return drawCrowd(frame, host, seen);
    if (lanes.laid.get(host) !== scale) layOut(host, scale / ratio, rows);
    lanes.laid.set(host, scale);
    drawBars(frame, host, seen);
  });
  ctx.restore();
}

function drawLanes(ctx, bbox, ratio) {
  lanes.shown.forEach((_, number) => {
    const top = bbox.top + number * lanes.height * ratio;
    ctx.fillStyle = style.lane;
    if (number % 2 === 0) ctx.fillRect(bbox.left, top, bbox.width, lanes.height * ratio);
    ctx.fillStyle = style.edge;
    ctx.fillRect(bbox.left, top + lanes.height * ratio - ratio, bbox.width, ratio);
  });
}

// Where nothing was written for long.
function drawGaps(ctx, bbox, x, ratio) {
  ctx.textAlign = 'center';
  for (const { from, to, words } of gaps) {
    if (to < view.from || view.to < from) continue;
    const [left, right] = [Math.max(x(from), bbox.left), Math.min(x(to), bbox.left + bbox.width)];
    const width = ctx.measureText(words).width + 20 * ratio;
    if (right - left < width) continue;
    const middle = (left + right) / 2;
    const y = bbox.top - (HEAD / 2) * ratio;
    ctx.strokeStyle = ctx.fillStyle = style.muted;
    ctx.lineWidth = ratio;
    ctx.setLineDash([2 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(left + 3 * ratio, y);
    ctx.lineTo(middle - width / 2, y);
    ctx.moveTo(middle + width / 2, y);
    ctx.lineTo(right - 3 * ratio, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillText(words, middle, y);
  }
}

// What touches the band of the chosen line cannot be ordered with it.
function drawChosen(ctx, bbox, x, ratio) {
  const i = chosen.line;
  if (i < 0 || lines.kind[i] !== KNOWN) return;
  const left = x(lines.from[i]);
  const right = Math.max(x(lines.to[i]), left + ratio);
  ctx.fillStyle = style['accent-soft'];
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.fillStyle = style.accent;
  for (const edge of [left, right]) ctx.fillRect(edge - ratio / 2, bbox.top, ratio, bbox.height);
}

// How strongly a line is drawn beside the chosen one.
function strength(i) {
  if (chosen.line < 0 || chosen.line === i || chosen.other === i) return 1;
  return order(chosen.line, i) === 0 ? 1 : 0.35;
}

function drawBars(frame, host, seen) {
  const { ctx, bbox, x, ratio, top, rows } = frame;
  const right = bbox.left + bbox.width;
  const next = new Float64Array(rows).fill(right);
  ctx.textAlign = 'left';
  // From the last to the first, so that each knows how much room it has.
  for (let at = seen.length - 1; at >= 0; at--) {
    const i = seen[at];
    const row = Math.min(lanes.row[i], rows - 1);
    const y = top + (4 + row * ROW) * ratio;
    const from = Math.max(x(lines.from[i]), bbox.left - 4 * ratio);
    const to = Math.min(x(lines.to[i]), right + 4 * ratio);
    const tick = x(lines.at[i]);
    ctx.globalAlpha = strength(i);
    drawBar(frame, i, from, to, y, tick);
    // Behind the tick; where that is out of sight, at the edge.
    const edge = bbox.left + 4 * ratio;
    const text = tick > right && from <= bbox.left ? edge : Math.max(tick + (lines.kind[i] === KNOWN ? 5 : 11) * ratio, edge);
    const room = Math.min(next[row], right) - text - 4 * ratio;
    if (room > 56 * ratio) {
      ctx.fillStyle = style.text;
      ctx.fillText(fitting(said(i), room / (6.7 * ratio)), text, y + (ROW / 2 - 1) * ratio);
    }
    next[row] = Math.min(next[row], Math.max(from, bbox.left));
    bars.push({ line: i, left: Math.min(from, tick - 3 * ratio), right: Math.max(to, tick + 3 * ratio), top: y, bottom: y + ROW * ratio });
  }
  ctx.globalAlpha = 1;
}

function drawBar({ ctx, ratio }, i, from, to, y, tick) {
  const height = (ROW - 3) * ratio;
  const isKnown = lines.kind[i] === KNOWN;
  const width = Math.max(to - from, isKnown ? 1 : 14 * ratio);
  const left = isKnown ? from : Math.min(from, tick - 7 * ratio);
  const base = ctx.globalAlpha;
  ctx.fillStyle = isKnown ? colour(lines.host[i]) : hatch(ctx, lines.host[i]);
  ctx.globalAlpha = base * (!isKnown ? 0.75 : lanes.crowded.has(lines.host[i]) ? 0.09 : 0.26);
  ctx.fillRect(left, y, width, height);
  ctx.globalAlpha = base;
  ctx.strokeStyle = ctx.fillStyle = colour(lines.host[i]);
  ctx.lineWidth = ratio;
  if (isKnown) {
    if (to - from > 6 * ratio) {
      ctx.fillRect(from, y, ratio, height);
      ctx.fillRect(to - ratio, y, ratio, height);
    }
    ctx.fillRect(tick - ratio, y, 2 * ratio, height);
  } else {
    ctx.setLineDash([2 * ratio, 2 * ratio]);
    ctx.strokeRect(left + 0.5, y + 0.5, width - 1, height - 1);
    ctx.setLineDash([]);
  }
  if (i === chosen.line || i === chosen.other) {
    ctx.strokeStyle = style.accent;
    ctx.lineWidth = 2 * ratio;
    ctx.strokeRect(Math.min(left, tick - 3 * ratio) - ratio, y - ratio, Math.max(width, 6 * ratio) + 2 * ratio, height + 2 * ratio);
  }
}

// Too many to be told apart: how many there are in each column of pixels, and where true time can be at all.
function drawCrowd({ ctx, bbox, x, ratio, top }, host, seen) {
  const step = 2 * ratio;
  const columns = Math.ceil(bbox.width / step);
  const [known, word, cover] = [new Uint32Array(columns), new Uint32Array(columns), new Int32Array(columns + 1)];
  const column = (time) => Math.min(columns - 1, Math.max(0, Math.floor((x(time) - bbox.left) / step)));
  for (const i of seen) {
    cover[column(lines.from[i])] += 1;
    cover[column(lines.to[i]) + 1] -= 1;
    if (lines.at[i] < view.from || view.to < lines.at[i]) continue;
    (lines.kind[i] === KNOWN ? known : word)[column(lines.at[i])] += 1;
  }
  const most = Math.log1p(known.reduce((a, b, at) => Math.max(a, b + word[at]), 1));
  const room = (lanes.height - 10) * ratio;
  const bottom = top + (lanes.height - 3) * ratio;
  let covered = 0;
  for (let at = 0; at < columns; at++) {
    covered += cover[at];
    const left = bbox.left + at * step;
    const whole = (Math.log1p(known[at] + word[at]) / most) * room;
    const unknown = (word[at] / Math.max(1, known[at] + word[at])) * whole;
    ctx.fillStyle = colour(host);
    ctx.globalAlpha = 0.16;
    if (covered > 0) ctx.fillRect(left, bottom - room, step, room);
    ctx.globalAlpha = 0.85;
    ctx.fillRect(left, bottom - whole, step, whole - unknown);
    ctx.fillStyle = hatch(ctx, host);
    ctx.fillRect(left, bottom - unknown, step, unknown);
  }
  ctx.globalAlpha = 1;
  bars.push({ crowd: seen.length, host, left: bbox.left, right: bbox.left + bbox.width, top, bottom });
}

function fitting(text, characters) {
  return text.length <= characters ? text : text.slice(0, Math.max(1, Math.floor(characters) - 1)) + '…';
}

// Ticks of the axis are round on the scale that is shown.
function splits(u, axis, min, max, step) {
  const shift = scale === 'tai' ? 0 : ahead(about.base + Math.floor(Math.max(min, -1e9))).offset;
  const midnight = (((about.base - shift) % 86400) + 86400) % 86400;
  const found = [];
  for (let n = Math.ceil((min + midnight) / step); n * step - midnight <= max && found.length < 50; n++) {
    found.push(n * step - midnight);
  }
  return found;
}

function ticks(u, found, axis, space, step) {
  const digits = step >= 1 ? 0 : Math.min(9, Math.ceil(-Math.log10(step) - 1e-9));
  let last = '';
  const edge = (50 / u.width) * (view.to - view.from);
  return found.map((time) => {
    if (time < view.from + edge || view.to - edge < time) return '';
    const second = Math.floor(time + 1e-10);
    const nanos = Math.max(0, Math.min(999999999, Math.round((time - second) * BILLION)));
    const at = [about.base + second, nanos];
    const today = day(at);
    const isNew = today !== last;
    last = today;
    const clock = step >= 86400 ? '' : step >= 60 ? timeOfDay(at, 0).slice(0, 5) : timeOfDay(at, digits);
    return isNew ? (clock === '' ? today : `${clock}\n${today}`) : clock === '' ? today : clock;
  });
}

const STEPS = [];
for (let power = -9; power < 0; power++) for (const digit of [1, 2, 5]) STEPS.push(Number(`${digit}e${power}`));
STEPS.push(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200);
STEPS.push(86400, 172800, 604800, 2592000, 31536000);

function makePlot(place) {
  const stroke = () => style.muted;
  plot = new uPlot(
    {
      width: Math.max(200, place.clientWidth),
      height: 100,
      legend: { show: false },
      padding: [HEAD, 0, 0, 0],
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
      scales: { x: { time: false, auto: false, range: () => [view.from, view.to] }, y: { auto: false, range: [0, 1] } },
      series: [{}, { paths: () => null, points: { show: false } }],
      axes: [
        { stroke, incrs: STEPS, splits, values: ticks, space: 130, size: AXIS, font: '11px system-ui, sans-serif', grid: { stroke: () => style.edge, width: 1 }, ticks: { show: true, size: 5, stroke: () => style.edge } },
        { show: false },
      ],
      hooks: { draw: [draw] },
    },
    [[0, 1], [null, null]],
    place,
  );
  return plot;
}

// The width and the number of lanes say how high each is.
function fitPlot(place, height) {
  const count = Math.max(1, lanes.shown.length);
  lanes.height = Math.max(26, Math.min(150, Math.floor((height - AXIS - HEAD) / count)));
  lanes.laid.clear();
  plot.setSize({ width: Math.max(200, place.clientWidth), height: lanes.height * count + AXIS + HEAD });
}

// The narrowest view: floating numbers hold no more.
const NARROWEST = 1e-6;

function look(from, to) {
  const whole = view.most - view.least;
  const width = Math.min(Math.max(to - from, NARROWEST), whole);
  const middle = (from + to) / 2;
  const begin = Math.min(Math.max(middle - width / 2, view.least), view.most - width);
  [view.from, view.to] = [begin, begin + width];
  plot.setScale('x', { min: view.from, max: view.to });
  moved();
}

function zoom(factor, around) {
  look(around - (around - view.from) * factor, around + (view.to - around) * factor);
}

// A line, and as much around it that its interval and its neighbours are seen.
function lookAt(i) {
  const width = Math.max((lines.to[i] - lines.from[i]) * 4, 1e-5);
  const middle = (lines.from[i] + lines.to[i]) / 2;
  look(middle - width / 2, middle + width / 2);
}
