// Questions to pick from: what the API says that a camera's model understands.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Problem } from "../../../hermes_ray/console/static/api.js";
import { suggestions } from "../../../hermes_ray/console/static/asking/suggestions.js";

test("they are the stream's examples, in their order", async () => {
  const asked = [];
  const api = { get: async (path) => (asked.push(path), { stream: "gate", examples: ["b ?", "a ?"] }) };
  assert.deepEqual(await suggestions(api, "gate", null), ["b ?", "a ?"]);
  assert.deepEqual(asked, ["v1/streams/gate/examples"]);
});

test("an API that cannot tell leaves none, and a view that ends is no such API", async () => {
  const failing = (error) => ({ get: () => Promise.reject(error) });
  assert.deepEqual(await suggestions(failing(new Problem(403, { code: "forbidden" })), "gate", null), []);
  await assert.rejects(suggestions(failing(new DOMException("", "AbortError")), "gate", null), { name: "AbortError" });
});
