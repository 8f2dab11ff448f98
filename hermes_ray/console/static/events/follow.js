// Events as they are stored, over any number of connections, without a gap.

import { Problem, Unreachable } from "../api.js";
import { listen } from "../listening.js";
import { pause } from "../pause.js";

const SILENCE_MS = 25_000; // a comment comes every ten seconds
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/**
 * Follow events until the signal is aborted, or a key is missing.
 * @param {Object} api
 * @param {Object} query which events
 * @param {{connected: function(), arrived: function(Object), failed: function(Error)}} told `connected` once for each
 *     connection, when nothing that is stored from then on is missed.
 * @param {AbortSignal} signal
 */
export async function follow(api, query, { connected, arrived, failed }, signal) {
  let place = null;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    let isFirst = true;
    const placed = (id) => {
      place = id;
      if (!isFirst || signal.aborted) return;
      isFirst = false;
      pauseMs = FIRST_PAUSE_MS;
      connected();
    };
    try {
      for await (const { event, data } of listen(api, "v1/events", SILENCE_MS, { query, place, placed, signal })) {
        if (event === "event" && !signal.aborted) arrived(data);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      failed(error);
      if (error.code === "events-place-lost") place = null; // what is kept is read anew once it is connected
      if (error.needsKey) return; // another key mounts the view anew
    }
    await pause(pauseMs * (0.5 + Math.random()), signal);
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
}
