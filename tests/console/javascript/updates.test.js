// The connection that keeps a page current: it comes back, and never faster than a server can bear.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Problem } from "../../../hermes_ray/console/static/api.js";
import { createUpdates } from "../../../hermes_ray/console/static/updates.js";

/** How often a server is asked within so many milliseconds, if each connection goes as `connection` says. */
async function connectionsIn(ms, connection) {
  let count = 0;
  const api = {
    async *events() {
      count += 1;
      yield* connection();
    },
  };
  const updates = createUpdates(api, { tell() {} });
  updates.start();
  await new Promise((resolve) => setTimeout(resolve, ms));
  updates.stop();
  return count;
}

test("a server that ends every connection at once is not asked without a pause", async () => {
  const count = await connectionsIn(400, async function* () {
    yield { event: "streams", data: { now_ms: 0, streams: {} } };
  });
  assert.ok(count >= 1 && count <= 5, `${count} connections`);
});

test("a server that says when to come again is not asked before half of that time", async () => {
  const count = await connectionsIn(600, async function* () {
    throw new Problem(429, { code: "rate-limited" }, 2);
  });
  assert.equal(count, 1);
});

test("what newest events are worth is told when it changes, also where no stream has", async () => {
  const told = [];
  let ended;
  const end = new Promise((resolve) => (ended = resolve));
  const api = {
    async *events() {
      yield { event: "streams", data: { now_ms: 0, events: "pending", streams: { dock: { state: "live" } } } };
      yield { event: "changes", data: { now_ms: 1, events: "current", streams: { dock: { newest_event: { id: "a" } } } } };
      yield { event: "changes", data: { now_ms: 2, events: "unavailable", streams: {} } };
      yield { event: "changes", data: { now_ms: 3, events: "unavailable", streams: {} } };
      yield { event: "changes", data: { now_ms: 4, events: "current", streams: { dock: { newest_event: null } } } };
      ended();
      await new Promise(() => {});
    },
  };
  const updates = createUpdates(api, { tell() {} });
  updates.subscribe(({ events }) => events && told.push([updates.events, updates.streams.get("dock").newest_event?.id]));
  updates.start();
  await end;
  updates.stop();
  assert.deepEqual(told, [["current", "a"], ["unavailable", "a"], ["current", undefined]]);
});
