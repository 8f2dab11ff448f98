// Asking many cameras: how they are asked, and what their answers have in common.

import assert from "node:assert/strict";
import { test } from "node:test";

import { batchesOf, newSession } from "../../../hermes_ray/console/static/asking/ask.js";
import { countAnswers } from "../../../hermes_ray/console/static/views/ask/answer_counts.js";

test("no request names more cameras than the API takes, and each is asked once", () => {
  const streams = Array.from({ length: 130 }, (_, number) => `camera-${number}`);
  const batches = batchesOf(streams);
  assert.deepEqual(batches.map(({ length }) => length), [64, 64, 2]);
  assert.deepEqual(batches.flat(), streams);
  assert.deepEqual(batchesOf([]), []);
});

test("answers that differ in case, spaces and a full stop are equal; a failure is none", () => {
  const said = (stream, answer) => ({ stream, answer: { answer } });
  const groups = countAnswers([said("a", "No."), said("b", " a red car"), said("c", "no"), { stream: "d", answer: null }, said("e", "a  red car ."),
    said("f", "NO")]);
  assert.deepEqual(groups, [{ answer: "No.", streams: ["a", "c", "f"] }, { answer: "a red car", streams: ["b", "e"] }]);
});

test("conversations have names of their own", () => {
  assert.notEqual(newSession(), newSession());
  assert.match(newSession(), /^console-[0-9a-f]{32}$/);
});
