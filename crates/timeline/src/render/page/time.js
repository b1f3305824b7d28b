// Instants and lengths of time as people read them. An instant is a pair: whole seconds of TAI since 1970, and nanoseconds.

const BILLION = 1e9;

// Which count of seconds is shown: 'utc' or 'tai'.
let scale = about.scale;

function pair(second, nanos) {
  const carried = Math.floor(nanos / BILLION);
  return [second + carried, nanos - carried * BILLION];
}

// By how much TAI is ahead of UTC in a second of TAI, and whether that second is 23:59:60.
function ahead(second) {
  let offset = about.offset_at_start;
  for (const [begins, ends, after] of about.leaps) {
    if (second < begins) break;
    if (second < ends) return { offset, isLeap: true };
    offset = after;
  }
  return { offset, isLeap: false };
}

function calendar(second) {
  return Math.abs(second) < 8.64e12 ? new Date(second * 1000).toISOString().split('.')[0] : '?';
}

// A second of TAI as date and time of day on the scale that is shown.
function date(second) {
  if (scale === 'tai') return calendar(second);
  const { offset, isLeap } = ahead(second);
  return isLeap ? calendar(second - offset - 1).replace(/..$/, '60') : calendar(second - offset);
}

function fraction(nanos, digits) {
  return digits > 0 ? '.' + String(nanos).padStart(9, '0').slice(0, digits) : '';
}

function suffix() {
  return scale === 'tai' ? ' TAI' : 'Z';
}

function stamp([second, nanos], digits) {
  return date(second) + fraction(nanos, digits) + suffix();
}

// A date and a time without the date.
function clockOf(text) {
  return text.slice(text.indexOf('T') + 1);
}

function timeOfDay([second, nanos], digits) {
  return clockOf(date(second)) + fraction(nanos, digits);
}

// The date on which a second of the page is, without its time of day.
function day([second]) {
  return date(second).split('T')[0];
}

const UNITS = [
  [86400e9, 'd'],
  [3600e9, 'h'],
  [60e9, 'min'],
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
];

// A length in nanoseconds to four digits, rounded by `round`.
function figures(nanos, round) {
  const size = Math.abs(nanos);
  const [unit, name] = UNITS.find(([unit]) => (unit === 60e9 ? 120e9 : unit) <= size) ?? UNITS[6];
  const value = size / unit;
  const digits = unit === 1 ? 0 : Math.max(0, 3 - Math.floor(Math.log10(Math.max(value, 1))));
  const power = 10 ** digits;
  return (nanos < 0 ? '-' : '') + (round(value * power * (1 - 1e-12)) / power).toFixed(digits) + ' ' + name;
}

function length(nanos) {
  return figures(nanos, Math.round);
}

// What is said of a bound is never less than it is.
function bound(nanos) {
  return '± ' + figures(nanos, Math.ceil);
}
