// Questions that a camera's model understands.

import { Problem, Unreachable } from "../api.js";

/**
 * @param {Object} api
 * @param {string} stream
 * @param {AbortSignal} signal
 * @returns {Promise<string[]>} those first that a person would ask first; none if the API cannot tell, or not now.
 */
export async function suggestions(api, stream, signal) {
  try {
    return (await api.get(`v1/streams/${stream}/examples`, { signal })).examples;
  } catch (error) {
    if (error instanceof Problem || error instanceof Unreachable) return []; // asking says what is wrong
    throw error;
  }
}
