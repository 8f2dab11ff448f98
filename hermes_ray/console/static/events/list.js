// The list of events, the newest first. Only what is on the screen fetches pictures; older pages come as one scrolls.

import { h } from "../dom.js";
import { createFramePictures } from "../frame_pictures.js";
import { createRow } from "./row.js";

const AHEAD = "400px";
const TICK_MS = 5000;
const MOST = 1000; // rows of a page that is open for days
const LEFT = 500;

/**
 * @param {Object} context see app.js
 * @param {function()} wanted called when the end is near, and by the button there.
 */
export function createList(context, wanted) {
  const words = context.text.events;
  const pictures = createFramePictures(context.api);
  const list = h("ol", { class: "events", "aria-label": words.title });
  const older = h("button", { type: "button", hidden: true, onclick: wanted }, words.older);
  const end = h("div", { class: "events-end" }, older);
  const element = h("div", {}, list, end);
  let rows = []; // in the list's order
  const byElement = new Map();
  const ids = new Set();
  const near = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const row = byElement.get(target);
      if (row === undefined) continue;
      if (isIntersecting) (near.add(row), row.show());
      else near.delete(row);
    }
  }, { rootMargin: AHEAD });
  const atEnd = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && wanted(), { rootMargin: AHEAD });
  const ticking = setInterval(() => near.forEach((row) => row.show()), TICK_MS);

  function drop(row) {
    observer.unobserve(row.element);
    byElement.delete(row.element);
    ids.delete(row.event.id);
    near.delete(row);
    row.element.remove();
  }

  return {
    element,
    has: (id) => ids.has(id),
    get size() {
      return rows.length;
    },
    /** The event at the top and the one at the bottom. */
    newest: () => rows[0]?.event ?? null,
    oldest: () => rows.at(-1)?.event ?? null,
    /** Put an event where its time belongs, unless it is there; a late one is not at the top. */
    add(event, { isNew, isFresh }) {
      if (ids.has(event.id)) return;
      const row = createRow(event, context, pictures.get, isNew);
      if (isFresh) row.element.classList.add("fresh");
      const found = rows.at(-1)?.event.captured_ms >= event.captured_ms && !isFresh
        ? -1 : rows.findIndex((one) => one.event.captured_ms <= event.captured_ms);
      const at = found < 0 ? rows.length : found;
      list.insertBefore(row.element, rows[at]?.element ?? null);
      rows.splice(at, 0, row);
      ids.add(event.id);
      byElement.set(row.element, row);
      observer.observe(row.element);
    },
    /** Let the oldest rows go where there are too many; returns whether it did, so that they must be fetched again. */
    trim() {
      if (rows.length <= MOST) return false;
      rows.splice(LEFT).forEach(drop);
      return true;
    },
    /** Whether there are older ones to fetch. Looks anew at whether the end is near. */
    showMore(isMore) {
      older.hidden = !isMore;
      atEnd.disconnect();
      if (isMore) atEnd.observe(end);
    },
    clear() {
      rows.forEach(drop);
      rows = [];
      this.showMore(false);
    },
    close() {
      clearInterval(ticking);
      observer.disconnect();
      atEnd.disconnect();
      pictures.close();
    },
  };
}
