// The memory map of a camera, kept current.

import { failureOf } from "../asking/failure.js";
import { Problem, Unreachable } from "../api.js";
import { createMemoryMap } from "../memory_map/memory_map.js";

const LEAST_PAUSE_MS = 2500; // drawing a map waits for the worker's running step
const RETRY_MS = 5000;
const LONGEST_MS = 30_000; // a worker's step takes seconds; longer is a connection that nobody holds any more

/**
 * @param {Object} context as the views have it.
 * @param {string} stream
 * @param {function(string): Promise<string>} pictureAt The address of a picture for an <img>, given its path in the API.
 * @returns {Object} the memory map (memory_map.js) with `refresh` in the place of `show`.
 */
export function createRemembered(context, stream, pictureAt) {
  const map = createMemoryMap(context, (frame) => pictureAt(`v1/streams/${stream}/frames/${frame}.jpg`));
  const closing = new AbortController();
  let failure = null;
  let wanted = false;
  let fetching = false;

  /** Returns after how many milliseconds the map may be fetched again, if it is to be. */
  async function fetchOnce() {
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(LONGEST_MS)]);
      map.show(await context.api.get(`v1/streams/${stream}/memory`, { signal }));
      failure?.remove();
      return LEAST_PAUSE_MS;
    } catch (error) {
      if (error.name === "AbortError") return 0;
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      context.report(error);
      failure?.remove();
      failure = failureOf(context, error, null);
      map.element.querySelector("header").after(failure);
      wanted = true;
      return 1000 * (error.retryAfterS ?? 0) || RETRY_MS;
    }
  }

  async function refresh() {
    wanted = true;
    if (fetching) return;
    fetching = true;
    while (wanted && !closing.signal.aborted) {
      wanted = false;
      const pauseMs = await fetchOnce();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    fetching = false;
  }

  return {
    ...map,
    refresh,
    close() {
      closing.abort();
      map.close();
    },
  };
}
