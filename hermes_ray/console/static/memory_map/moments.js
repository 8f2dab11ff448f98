// What `GET /v1/streams/{id}/memory` says, ready to be drawn: a time for every frame, and shares in the place of tokens.

/**
 * @typedef {object} TierMoments
 * @property {"sensory"|"working"|"long_term"} tier
 * @property {number} firstLayer The lowest of its layers.
 * @property {number} layers How many it has.
 * @property {number[]} tokens Tokens that it holds of each frame, an average over its layers.
 * @property {number} held Sum of these.
 * @property {number} frames Frames of which it holds anything.
 * @property {number} summarised Tokens that live on in its summary only.
 * @property {number|null} summaryEnd Until when its summary reaches, ms: the newest frame that it does not hold whole.
 */

/**
 * @typedef {object} Moments
 * @property {number[]} frames Numbers of the frames that are not forgotten, ascending.
 * @property {number[]} times When each was captured, ms since the Unix epoch; never falling.
 * @property {boolean} timed False where no time is known, so that `times` only keep the order.
 * @property {number} spacing Between one frame and the next, ms, as a rule.
 * @property {number} begin When the stream began, ms.
 * @property {boolean} beginEstimated Its first frame is forgotten, so `begin` follows from its number and `spacing`.
 * @property {number} end When the newest frame ends, ms: one `spacing` behind its capture.
 * @property {number} full Tokens of a frame of which nothing is forgotten.
 * @property {number} seen Frames since the stream began.
 * @property {TierMoments[]} tiers From the lowest layers to the highest.
 */

const UNKNOWN_SPACING_MS = 1000;

/**
 * Read a memory map of the API.
 *
 * @param {object} map The response's body.
 * @returns {Moments|null} Null if it holds no frame.
 */
export function momentsOf(map) {
  const count = map.frames.length;
  if (count === 0) return null;
  const known = knownTimes(map);
  const spacing = spacingOf(known);
  const times = timesOf(map.frames, known, spacing);
  const last = known[known.length - 1];
  const begin = times[0] - map.frames[0] * spacing;
  const full = Math.max(...map.tiers.map((tier) => tier.tokens.reduce((most, tokens) => Math.max(most, tokens), 0)));
  return {
    frames: map.frames,
    times,
    timed: map.captured_ms.some((time) => time !== null),
    spacing,
    begin,
    beginEstimated: map.frames[0] > 0,
    end: Math.max(last.time, times[count - 1]) + spacing,
    full,
    seen: map.frames_seen,
    tiers: map.tiers.map((tier) => tierOf(tier, times, full)),
  };
}

function tierOf(tier, times, full) {
  const held = tier.tokens.reduce((sum, tokens) => sum + tokens, 0);
  // Hundredths are rounded by the API: a whole frame may lack half of one.
  const newestFaded = tier.tokens.findLastIndex((tokens) => tokens < full - 0.01);
  return {
    tier: tier.tier,
    firstLayer: tier.first_layer,
    layers: tier.layers,
    tokens: tier.tokens,
    held,
    frames: tier.tokens.filter((tokens) => tokens > 0).length,
    summarised: tier.summarised,
    summaryEnd: tier.summarised > 0 ? times[Math.max(newestFaded, 0)] : null,
  };
}

/** Frames whose capture time is known, the newest among them: it is there even if nothing is held of it. */
function knownTimes(map) {
  const known = [];
  map.frames.forEach((frame, index) => {
    if (map.captured_ms[index] !== null) known.push({ frame, time: map.captured_ms[index] });
  });
  const newest = map.frames_seen - 1;
  if (known.length === 0 || known[known.length - 1].frame < newest) known.push({ frame: newest, time: map.as_of_ms });
  return known;
}

/** The median of the time per frame, ms: pauses of a camera do not count. */
function spacingOf(known) {
  const steps = [];
  for (let index = 1; index < known.length; index += 1) {
    const frames = known[index].frame - known[index - 1].frame;
    const time = known[index].time - known[index - 1].time;
    if (frames > 0 && time > 0) steps.push(time / frames);
  }
  if (steps.length === 0) return UNKNOWN_SPACING_MS;
  steps.sort((one, other) => one - other);
  return steps[steps.length >> 1];
}

/** A time for each frame: as captured, else between its neighbours by number, else `spacing` away from the nearest. */
function timesOf(frames, known, spacing) {
  let next = 0;
  let latest = -Infinity;
  return frames.map((frame) => {
    while (next < known.length && known[next].frame < frame) next += 1;
    latest = Math.max(latest, timeAt(frame, known[next - 1], known[next], spacing));
    return latest;
  });
}

function timeAt(frame, before, after, spacing) {
  if (after?.frame === frame) return after.time;
  if (!before) return after.time - (after.frame - frame) * spacing;
  if (!after) return before.time + (frame - before.frame) * spacing;
  return before.time + ((frame - before.frame) / (after.frame - before.frame)) * (after.time - before.time);
}

/**
 * The moment at a place in the lists.
 *
 * @param {Moments} moments
 * @param {number} index
 * @returns {{frame: number, time: number, age: number, tiers: {tier: string, tokens: number}[]}} `age` is how long
 *   before the newest frame it was, ms.
 */
export function momentAt(moments, index) {
  return {
    frame: moments.frames[index],
    time: moments.times[index],
    age: Math.max(0, moments.end - moments.spacing - moments.times[index]),
    tiers: moments.tiers.map(({ tier, tokens }) => ({ tier, tokens: tokens[index] })),
  };
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const AGES = [10_000, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, Infinity];

/**
 * The map in a few rows, for those who read it: what is held of the last ten seconds, of the minute before them, and so
 * on back to the beginning.
 *
 * @param {Moments} moments
 * @returns {{from: number, to: number, frames: number, tokens: number[]}[]} Ages in ms, `to` is Infinity in the last
 *   row; frames not forgotten; tokens held, tier by tier.
 */
export function outline(moments) {
  const span = moments.end - moments.begin;
  const bounds = AGES.filter((age, index) => index === 0 || AGES[index - 1] < span);
  bounds[bounds.length - 1] = Infinity;
  const rows = bounds.map((to, index) => ({
    from: index === 0 ? 0 : bounds[index - 1],
    to,
    frames: 0,
    tokens: moments.tiers.map(() => 0),
  }));
  for (let index = moments.frames.length - 1, row = 0; index >= 0; index -= 1) {
    while (momentAt(moments, index).age >= rows[row].to) row += 1;
    rows[row].frames += 1;
    moments.tiers.forEach((tier, place) => {
      rows[row].tokens[place] += tier.tokens[index];
    });
  }
  return rows;
}
