// One connection for everything that changes: GET /v1/updates, kept up and read into `streams`.

import { Problem, Unreachable } from "./api.js";
import { listen } from "./listening.js";
import { pause } from "./pause.js";

const SILENCE_MS = 2500; // a comment at least comes every second
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2000;
const SHORTEST_MS = 5000; // whoever ends connections sooner than that is not the API, or has no time for us

/**
 * @param {Object} api
 * @param {Object} time told the API's clock.
 * @returns {{
 *   streams: Map<string, Object>, // by id: what an update says of a stream; replaced when it changes, never mutated
 *   events: "pending"|"current"|"unavailable"|"off", // what `newest_event` of the streams is worth, as the API says it
 *   connection: {phase: "connecting"|"live"|"lost"|"locked"|"unready", sinceMs: number, problem: ?Problem},
 *   subscribe: function(function({streams: ?Set<string>, events: boolean, connection: boolean})): function(), // returns the way out
 *   start: function(), stop: function(), restart: function()
 * }} A subscriber is told which streams changed, came or went (null: none), and whether `events` or the connection's
 *   phase did.
 *   lost: nobody answers, `streams` is what was known last. locked: a key is needed. unready: the API answers, but the
 *   system behind it cannot; `problem` says why.
 */
export function createUpdates(api, time) {
  const subscribers = new Set();
  let streams = new Map();
  let events = "pending";
  let connection = { phase: "connecting", sinceMs: Date.now(), problem: null };
  let running = null;

  function tell(change) {
    for (const subscriber of [...subscribers]) subscriber(change);
  }

  function enter(phase, problem = null) {
    if (connection.phase === phase && connection.problem?.message === problem?.message) return;
    connection = { phase, sinceMs: Date.now(), problem };
    tell({ streams: null, events: false, connection: true });
  }

  function replaceAll(data) {
    const changed = new Set([...streams.keys(), ...Object.keys(data.streams)]);
    streams = new Map(Object.entries(data.streams).map(([id, members]) => [id, { id, ...members }]));
    return changed;
  }

  function merge(data) {
    const patch = Object.entries(data.streams);
    for (const [id, members] of patch) {
      if (members === null) streams.delete(id);
      else streams.set(id, patched(streams.get(id) ?? { id }, members));
    }
    return new Set(patch.map(([id]) => id));
  }

  function take({ event, data }) {
    if (event === "problem") {
      enter("unready", new Problem(data.status, data));
      return;
    }
    if (event !== "streams" && event !== "changes") return; // of a newer API
    time.tell(data.now_ms);
    const changed = event === "streams" ? replaceAll(data) : merge(data);
    const isOther = data.events !== events;
    events = data.events;
    enter("live");
    if (changed.size > 0 || event === "streams" || isOther) tell({ streams: changed, events: isOther, connection: false });
  }

  async function run(stopping) {
    let pauseMs = FIRST_PAUSE_MS;
    while (!stopping.aborted) {
      const begunMs = performance.now();
      const lasted = () => performance.now() - begunMs >= SHORTEST_MS;
      let leastMs = 0;
      try {
        for await (const event of listen(api, "v1/updates", SILENCE_MS, { signal: stopping })) take(event);
        if (lasted()) {
          pauseMs = FIRST_PAUSE_MS;
          continue; // the API ends each connection after a while, so that keys are looked at again
        }
      } catch (error) {
        if (stopping.aborted) return;
        if (lasted()) pauseMs = FIRST_PAUSE_MS;
        if (error instanceof Problem && error.needsKey) {
          enter("locked", error);
          return; // until somebody gives a key: restart()
        }
        if (error instanceof Problem) {
          leastMs = 1000 * (error.retryAfterS ?? 0);
          enter("unready", error);
        } else if (error instanceof Unreachable) enter("lost");
        else throw error;
      }
      await pause(Math.max(leastMs, pauseMs) * (0.5 + Math.random()), stopping);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  const updates = {
    get streams() {
      return streams;
    },
    get events() {
      return events;
    },
    get connection() {
      return connection;
    },
    subscribe(subscriber) {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
    start() {
      running = new AbortController();
      run(running.signal);
    },
    stop() {
      running?.abort();
    },
    /** Begin anew, as with another key. */
    restart() {
      updates.stop();
      const gone = new Set(streams.keys());
      streams = new Map();
      events = "pending";
      enter("connecting");
      tell({ streams: gone, events: true, connection: false });
      updates.start();
    },
  };
  return updates;
}

/** A JSON merge patch (RFC 7396) on one object. */
function patched(object, patch) {
  const result = { ...object };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else if (isObject(value)) result[name] = patched(isObject(result[name]) ? result[name] : {}, value);
    else result[name] = value;
  }
  return result;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
