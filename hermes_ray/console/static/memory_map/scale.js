// From time to place, and the marks on the axis below.

/** @typedef {"logarithmic"|"linear"} ScaleKind */

/**
 * @typedef {object} Scale
 * @property {(time: number) => number} x Where a time is, pixels from the left.
 * @property {(x: number) => number} time The time at a place, ms.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const AGES = [1, 2, 5, 10, 20, 30].map((count) => count * SECOND).concat(
  [1, 2, 5, 10, 20, 30].map((count) => count * MINUTE),
  [1, 2, 4, 8, 16].map((count) => count * HOUR),
  [1, 2, 4, 7, 14, 30, 60, 120, 365].map((count) => count * DAY),
);
const STEPS = [1, 2, 5, 10, 15, 30].map((count) => count * SECOND).concat(
  [1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  [1, 2, 3, 6, 12].map((count) => count * HOUR),
  [1, 2, 7, 14, 28, 91, 365].map((count) => count * DAY),
);

const FRAMES_IN_A_UNIT = 4;

/**
 * Time from left to right: the beginning at 0, the end at `width`.
 *
 * Linear gives every second the same room. Logarithmic gives the newest seconds as much as the hour before them, as
 * memories fade: the logarithm is of the age, in units of four frames.
 *
 * @param {{begin: number, end: number, spacing: number}} moments Times in ms.
 * @param {number} width Pixels.
 * @param {ScaleKind} kind
 * @returns {Scale}
 */
export function scaleOf({ begin, end, spacing }, width, kind) {
  const span = end - begin;
  if (kind === "linear") {
    return { x: (time) => ((time - begin) / span) * width, time: (x) => begin + (x / width) * span };
  }
  const unit = FRAMES_IN_A_UNIT * spacing;
  const whole = Math.log1p(span / unit);
  return {
    x: (time) => width * (1 - Math.log1p((end - time) / unit) / whole),
    time: (x) => end - unit * Math.expm1((1 - x / width) * whole),
  };
}

/**
 * Marks for the axis, at least `leastApart` pixels from one another, and half of that from both ends.
 *
 * @param {{begin: number, end: number, spacing: number}} moments Times in ms.
 * @param {Scale} scale
 * @param {ScaleKind} kind
 * @param {number} leastApart Pixels.
 * @param {(time: number) => number} [offset] How far local time is ahead of UTC at a time, ms; linear marks are at
 *   round local times.
 * @returns {{x: number, time: number, age: number|null, step: number}[]} From left to right. Logarithmic marks are at
 *   round ages, ms before the newest frame; linear ones every `step` ms, and have none.
 */
export function ticksOf(moments, scale, kind, leastApart, offset = localOffset) {
  const right = scale.x(moments.end);
  const fits = ({ x }) => x >= leastApart / 2 && x <= right - leastApart / 2;
  return kind === "linear"
    ? linearTicks(moments, scale, leastApart, offset).filter(fits)
    : apart(logarithmicTicks(moments, scale).filter(fits), leastApart);
}

function localOffset(time) {
  return -new Date(time).getTimezoneOffset() * MINUTE;
}

function linearTicks({ begin, end }, scale, leastApart, offset) {
  const pixels = (scale.x(end) - scale.x(begin)) / (end - begin);
  const step = STEPS.find((one) => one * pixels >= leastApart) ?? STEPS[STEPS.length - 1];
  const ahead = offset(end);
  const ticks = [];
  for (let time = Math.ceil((begin + ahead) / step) * step - ahead; time < end; time += step) {
    ticks.push({ x: scale.x(time), time, age: null, step });
  }
  return ticks;
}

function logarithmicTicks({ begin, end, spacing }, scale) {
  const newest = end - spacing;
  return AGES.filter((age) => newest - age > begin)
    .map((age) => ({ x: scale.x(newest - age), time: newest - age, age, step: age }))
    .reverse();
}

/** From the right, where the newest is, those that leave room. */
function apart(ticks, leastApart) {
  const kept = [];
  for (const tick of ticks.reverse()) {
    if (kept.length === 0 || kept[kept.length - 1].x - tick.x >= leastApart) kept.push(tick);
  }
  return kept.reverse();
}
