// The memory map's layout, without a browser: plain values in, places out.

import assert from "node:assert/strict";
import { test } from "node:test";

import { barHeight, cellAt, cellOfFrame, cellsOf, filmStrip, litCells } from "../../../hermes_ray/console/static/memory_map/cells.js";
import { momentAt, momentsOf, outline } from "../../../hermes_ray/console/static/memory_map/moments.js";
import { scaleOf, ticksOf } from "../../../hermes_ray/console/static/memory_map/scale.js";

const BEGAN = Date.UTC(2026, 0, 2, 3, 4, 5);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A map as the API sends it: `held` is frame number to the tokens of the three tiers; a frame every half second. */
function mapOf(held, { seen, summarised = 0, times } = {}) {
  const frames = Object.keys(held).map(Number);
  const captured = times ?? frames.map((frame) => BEGAN + 500 * frame);
  const tier = (name, place, first, layers) => ({
    tier: name,
    first_layer: first,
    layers,
    tokens: frames.map((frame) => held[frame][place]),
    summarised: place === 2 ? summarised : 0,
  });
  const newest = (seen ?? frames.at(-1) + 1) - 1;
  return {
    id: "street",
    frames_seen: newest + 1,
    as_of_ms: BEGAN + 500 * newest,
    frames,
    captured_ms: captured,
    tiers: [tier("sensory", 0, 0, 1), tier("working", 1, 1, 6), tier("long_term", 2, 7, 3)],
  };
}

/** Hours of a camera: few tokens of the past, the last frames whole. */
function longMap(count, step) {
  const held = {};
  for (let frame = 0; frame < count * step; frame += step) held[frame] = [0, 1, 0.5];
  for (let frame = count * step; frame < count * step + 8; frame += 1) held[frame] = [9, 9, 9];
  return mapOf(held, { summarised: 12_345 });
}

test("an empty memory has no moments", () => {
  assert.equal(momentsOf({ ...mapOf({ 0: [1, 1, 1] }), frames: [], captured_ms: [] }), null);
});

test("a stream whose first frame is known begins with it, and ends one frame behind the newest", () => {
  const moments = momentsOf(mapOf({ 0: [9, 9, 9], 1: [9, 9, 9], 2: [9, 9, 9] }));
  assert.equal(moments.begin, BEGAN);
  assert.equal(moments.beginEstimated, false);
  assert.equal(moments.end, BEGAN + 3 * 500);
  assert.equal(moments.full, 9);
});

test("the beginning of a stream whose first frames are forgotten follows from their number", () => {
  const moments = momentsOf(mapOf({ 40: [0, 1, 1], 90: [9, 9, 9], 91: [9, 9, 9], 92: [9, 9, 9] }));
  assert.equal(moments.begin, BEGAN);
  assert.equal(moments.beginEstimated, true);
});

test("a camera's pause does not stretch its frames", () => {
  const times = [0, 500, 1000, HOUR, HOUR + 500].map((time) => BEGAN + time);
  const map = mapOf({ 0: [9, 9, 9], 1: [9, 9, 9], 2: [9, 9, 9], 3: [9, 9, 9], 4: [9, 9, 9] }, { times });
  assert.equal(momentsOf(map).spacing, 500);
});

test("a frame whose time an older release did not note lies between its neighbours", () => {
  const map = mapOf({ 0: [1, 1, 1], 10: [1, 1, 1], 40: [9, 9, 9] }, { times: [BEGAN, null, BEGAN + 20 * SECOND] });
  assert.equal(momentsOf(map).times[1], BEGAN + 5 * SECOND);
});

test("a memory without any time but the newest keeps its order, and says so", () => {
  const map = mapOf({ 0: [1, 1, 1], 10: [1, 1, 1], 20: [9, 9, 9] }, { times: [null, null, null] });
  const moments = momentsOf(map);
  assert.equal(moments.timed, false);
  assert.deepEqual(moments.times, [...moments.times].sort());
  assert.equal(moments.times[2], map.as_of_ms);
});

test("capture times that fall do not lead back", () => {
  const times = [0, 5 * SECOND, SECOND, 6 * SECOND].map((time) => BEGAN + time);
  const moments = momentsOf(mapOf({ 0: [1, 1, 1], 1: [1, 1, 1], 2: [1, 1, 1], 3: [9, 9, 9] }, { times }));
  assert.deepEqual(moments.times, [BEGAN, BEGAN + 5000, BEGAN + 5000, BEGAN + 6000]);
});

test("a tier adds up what it holds, and its summary reaches to the newest frame that faded", () => {
  const map = mapOf({ 0: [0, 2, 1], 5: [0, 3, 0.33], 8: [9, 9, 9], 9: [9, 9, 8.99] }, { summarised: 70 });
  const [sensory, , longTerm] = momentsOf(map).tiers;
  assert.equal(sensory.held, 18);
  assert.equal(sensory.frames, 2);
  assert.equal(sensory.summaryEnd, null);
  assert.equal(longTerm.frames, 4);
  assert.equal(longTerm.summaryEnd, BEGAN + 5 * 500);
});

for (const kind of ["linear", "logarithmic"]) {
  test(`a ${kind} scale runs from the beginning to the end and back`, () => {
    const moments = momentsOf(longMap(500, 20));
    const scale = scaleOf(moments, 800, kind);
    assert.ok(Math.abs(scale.x(moments.begin)) < 1e-9);
    assert.ok(Math.abs(scale.x(moments.end) - 800) < 1e-9);
    for (const x of [0, 1, 123.4, 400, 799]) assert.ok(Math.abs(scale.x(scale.time(x)) - x) < 1e-3);
  });

  test(`${kind} cells of hours and thousands of frames neither overlap nor leave the map, and hold every frame once`, () => {
    const moments = momentsOf(longMap(20_000, 4));
    const cells = cellsOf(moments, scaleOf(moments, 800, kind), 3);
    let [edge, frames] = [-1e-6, 0];
    for (const cell of cells) {
      assert.ok(cell.x >= edge - 1e-6, `${cell.x} < ${edge}`);
      assert.ok(cell.width >= 3 - 1e-6);
      edge = cell.x + cell.width;
      assert.equal(cell.first, frames);
      frames = cell.last + 1;
    }
    assert.ok(edge <= 800 + 1e-6);
    assert.equal(frames, moments.frames.length);
    assert.ok(cells.length <= 800 / 3);
  });

  test(`${kind} marks keep their distance`, () => {
    const moments = momentsOf(longMap(20_000, 4));
    const ticks = ticksOf(moments, scaleOf(moments, 800, kind), kind, 70, () => 0);
    assert.ok(ticks.length >= 4);
    ticks.forEach((tick, index) => {
      assert.ok(tick.x >= 35 && tick.x <= 765);
      if (index > 0) assert.ok(tick.x - ticks[index - 1].x >= 70 - 1e-6);
    });
  });
}

test("the newest frames get more room than an old hour on a logarithmic scale, and none to speak of on a linear one", () => {
  const moments = momentsOf(longMap(1000, 80));
  const newest = moments.end - 8 * 500;
  assert.ok(800 - scaleOf(moments, 800, "logarithmic").x(newest) > 80);
  assert.ok(800 - scaleOf(moments, 800, "linear").x(newest) < 1);
});

test("linear marks are round times of the visitor's zone, also where it is half an hour off", () => {
  const moments = momentsOf(longMap(1000, 40));
  const offset = 5.5 * HOUR;
  const ticks = ticksOf(moments, scaleOf(moments, 800, "linear"), "linear", 70, () => offset);
  assert.ok(ticks.every(({ time, step }) => (time + offset) % step === 0));
  assert.equal(ticks[0].step, HOUR / 2);
});

test("logarithmic marks are round ages before the newest frame", () => {
  const moments = momentsOf(longMap(1000, 40));
  const ticks = ticksOf(moments, scaleOf(moments, 800, "logarithmic"), "logarithmic", 70);
  const newest = moments.end - moments.spacing;
  assert.ok(ticks.every(({ time, age }) => newest - time === age));
  assert.ok(ticks[0].age > ticks.at(-1).age);
});

test("a cell of several frames shows the best kept of them, tier by tier", () => {
  const moments = momentsOf(mapOf({ 0: [0, 3, 0], 1: [0, 1, 6], 2: [0, 0, 1], 5000: [9, 9, 9] }));
  const [old, newest] = cellsOf(moments, scaleOf(moments, 300, "linear"), 3);
  assert.deepEqual(old.shares, [0, 3 / 9, 6 / 9]);
  assert.equal(moments.frames[old.best], 1);
  assert.deepEqual(newest.shares, [1, 1, 1]);
});

test("a place is in a cell, beside one within reach, or forgotten", () => {
  const moments = momentsOf(mapOf({ 0: [0, 1, 1], 500: [0, 1, 1], 1000: [9, 9, 9] }));
  const cells = cellsOf(moments, scaleOf(moments, 300, "linear"), 3);
  assert.equal(cellAt(cells, 1, 0), 0);
  assert.equal(cellAt(cells, 140, 12), 1);
  assert.equal(cellAt(cells, 80, 12), -1);
  assert.equal(cellAt(cells, 300, 12), 2);
  assert.equal(cellAt([], 5, 12), -1);
});

test("the cell of a frame is found by its number, and that of a forgotten one is not", () => {
  const moments = momentsOf(mapOf({ 0: [0, 1, 1], 4: [0, 1, 1], 1000: [9, 9, 9] }));
  const cells = cellsOf(moments, scaleOf(moments, 300, "linear"), 3);
  assert.equal(cellOfFrame(cells, moments, 4), 0);
  assert.equal(cellOfFrame(cells, moments, 1000), 1);
  assert.equal(cellOfFrame(cells, moments, 3), -1);
});

test("an answer lights the cells of its evidence by weight, and none for a frame that was forgotten since", () => {
  const moments = momentsOf(mapOf({ 0: [0, 1, 1], 1: [0, 1, 1], 500: [0, 1, 1], 1000: [9, 9, 9] }));
  const cells = cellsOf(moments, scaleOf(moments, 300, "linear"), 3);
  const evidence = [{ frame: 500, weight: 0.4 }, { frame: 1, weight: 0.2 }, { frame: 0, weight: 0.1 }, { frame: 7, weight: 0.1 }];
  assert.deepEqual(litCells(evidence, cells, moments), new Map([[1, 1], [0, 0.5]]));
  assert.equal(litCells([], cells, moments).size, 0);
});

test("the film strip shows the best-kept moment of each place, the newest of equals, and nothing where all is forgotten", () => {
  const moments = momentsOf(mapOf({ 0: [0, 1, 0], 100: [0, 2, 1], 190: [0, 2, 1], 900: [9, 9, 9], 999: [9, 9, 9] }));
  const cells = cellsOf(moments, scaleOf(moments, 1000, "linear"), 3);
  const strip = filmStrip(cells, 1000, 5);
  assert.deepEqual(
    strip.map((cell) => (cell === null ? null : moments.frames[cell.best])),
    [190, null, null, null, 999],
  );
});

test("a picture of the film strip stays while none near it is kept much better", () => {
  const moments = momentsOf(mapOf({ 0: [0, 3, 0], 100: [0, 3.5, 0], 190: [0, 0, 5], 999: [9, 9, 9] }));
  const cells = cellsOf(moments, scaleOf(moments, 1000, "linear"), 3);
  const shows = (frame) => moments.frames[filmStrip(cells, 1000, 5, ({ best }) => moments.frames[best] === frame)[0].best];
  assert.equal(shows(null), 190);
  assert.equal(shows(100), 190);
  assert.equal(filmStrip(cells.slice(0, 2), 1000, 5, ({ best }) => moments.frames[best] === 0)[0].best, 0);
});

test("one token in two hundred can be seen, and a whole frame is a whole bar", () => {
  assert.ok(barHeight(1 / 200) > 0.05);
  assert.equal(barHeight(1), 1);
  assert.equal(barHeight(0), 0);
});

test("a moment says how old it is and what each tier holds", () => {
  const moments = momentsOf(mapOf({ 0: [0, 2, 1], 20: [9, 9, 9] }));
  assert.deepEqual(momentAt(moments, 0), {
    frame: 0,
    time: BEGAN,
    age: 10 * SECOND,
    tiers: [
      { tier: "sensory", tokens: 0 },
      { tier: "working", tokens: 2 },
      { tier: "long_term", tokens: 1 },
    ],
  });
});

test("the outline counts every frame and token once, and has no row older than the stream", () => {
  const moments = momentsOf(longMap(1000, 4));
  const rows = outline(moments);
  assert.equal(rows[0].from, 0);
  assert.equal(rows.at(-1).to, Infinity);
  assert.ok(rows.at(-1).from < moments.end - moments.begin);
  rows.slice(1).forEach((row, index) => assert.equal(row.from, rows[index].to));
  assert.equal(rows.reduce((sum, row) => sum + row.frames, 0), moments.frames.length);
  moments.tiers.forEach((tier, place) => {
    assert.ok(Math.abs(rows.reduce((sum, row) => sum + row.tokens[place], 0) - tier.held) < 1e-6);
  });
});
