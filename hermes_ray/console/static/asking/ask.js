// Questions as the API takes them.

import { Problem, Unreachable } from "../api.js";

const SILENCE_MS = 35_000; // a comment at least comes every ten seconds

/**
 * Ask one camera.
 *
 * @param {Object} api
 * @param {string} stream
 * @param {string} question
 * @param {{session: string, signal: AbortSignal, onText: function(string)}} options `session` names the conversation
 *   that the question continues; `onText` is given the answer's pieces as they come.
 * @returns {Promise<Object>} the whole answer. Aborting `signal` makes the API drop it.
 */
export async function ask(api, stream, question, { session, signal, onText }) {
  const body = { question, session_id: session, stream: true };
  for await (const { event, data } of events(api, `v1/streams/${stream}/query`, body, signal)) {
    if (event === "token") onText(data.text);
    else if (event === "answer") return data;
    else if (event === "error") throw new Problem(data.status, data);
  }
  throw new Unreachable(new Error("an answer without an end"));
}

const MOST_AT_ONCE = 64; // streams that one request may name

/**
 * Ask several cameras the same; so many at a time as the API takes.
 *
 * @param {Object} api
 * @param {string[]} streams
 * @param {string} question
 * @param {AbortSignal} signal
 * @yields {{stream: string, answer: ?Object, problem: ?Object}} one per stream, as each is known.
 */
export async function* askAll(api, streams, question, signal) {
  for (const some of batchesOf(streams)) {
    const body = { streams: some, question, stream: true };
    let done = false;
    for await (const { event, data } of events(api, "v1/query", body, signal)) {
      if (event === "result") yield data;
      else if (event === "done") done = true;
      else if (event === "error") throw new Problem(data.status, data);
    }
    if (!done) throw new Unreachable(new Error("answers without an end"));
  }
}

/** The API's events; a connection that says nothing any more, as behind a cut cable, is given up. */
async function* events(api, path, body, signal) {
  const silence = new AbortController();
  let alarm = null;
  const wait = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  wait();
  try {
    yield* api.events(path, { body, signal: AbortSignal.any([signal, silence.signal]), alive: wait });
  } catch (error) {
    throw silence.signal.aborted && !signal.aborted ? new Unreachable(error) : error;
  } finally {
    clearTimeout(alarm);
  }
}

/**
 * As many streams as one request may name, and then the next.
 *
 * @param {string[]} streams
 * @returns {string[][]}
 */
export function batchesOf(streams) {
  const count = Math.ceil(streams.length / MOST_AT_ONCE);
  return Array.from({ length: count }, (_, at) => streams.slice(at * MOST_AT_ONCE, (at + 1) * MOST_AT_ONCE));
}

/** A name for a conversation that nobody else has. Not `crypto.randomUUID`, which only secure pages have. */
export function newSession() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
