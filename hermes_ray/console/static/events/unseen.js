// How many events came since this browser has shown the newest one.

import { Problem, Unreachable } from "../api.js";
import { unseenOf } from "./seen.js";

const EVERY_MS = 30_000;
const MOST = 100; // beyond, the number helps nobody

/**
 * @param {Object} context see app.js
 * @param {function(number)} show told the number; 100 stands for that or more.
 * @returns {{look: function()}} look now; it looks by itself every half minute.
 */
export function createUnseen({ api, updates, features, seen }, show) {
  let turn = 0;

  async function look() {
    const mine = ++turn;
    const mark = seen.mark();
    if (mark === null) return show(0);
    if (!features.events || document.hidden || updates.connection.phase !== "live") return;
    try {
      const query = { since: new Date(mark.capturedMs).toISOString(), limit: MOST + 1 };
      const { events } = await api.get("v1/events", { query });
      if (mine === turn) show(Math.min(MOST, unseenOf(events, seen.mark()).length));
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      if (mine === turn) show(0); // the number is not known; the view says why
    }
  }

  setInterval(look, EVERY_MS);
  updates.subscribe(({ connection }) => connection && look());
  return { look };
}
