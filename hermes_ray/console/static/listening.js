// Server-sent events of a connection that may freeze. A frozen API or a cut cable ends no connection; silence does.

import { Unreachable } from "./api.js";

/**
 * @param {Object} api
 * @param {string} path
 * @param {number} silenceMs the API says something more often, if only a comment.
 * @param {{signal: AbortSignal}} options and whatever else `api.events` takes.
 * @yields {{event: string, data: any}} fails with Unreachable when it was silent for so long, else as `api.events` does.
 */
export async function* listen(api, path, silenceMs, { signal, ...options }) {
  const silence = new AbortController();
  let alarm = null;
  const alive = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => silence.abort(), silenceMs);
  };
  alive();
  try {
    yield* api.events(path, { ...options, signal: AbortSignal.any([signal, silence.signal]), alive });
  } catch (error) {
    if (!silence.signal.aborted || signal.aborted) throw error;
    throw new Unreachable(error);
  } finally {
    clearTimeout(alarm);
  }
}
