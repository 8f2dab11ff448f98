// The newest event of a camera in one line, which leads to all of that camera's.

import { h, setText } from "../dom.js";

const inOneLine = (words) => words.replace(/\s+/g, " "); // models answer in paragraphs too
const FRESH_MS = 60_000; // so new that somebody may want to look at once

/**
 * @param {string} id of the camera
 * @param {Object} context see app.js
 * @returns {{element: HTMLElement, show: function(Object)}} `show` takes what an update says of the stream; call it
 *   each second too, since the line says how long ago it was.
 */
export function createNewest(id, { text, time, updates }) {
  const words = text.events.newest;
  const dot = h("span", { class: "dot", hidden: true });
  const rule = h("span", { class: "newest-rule" }); // of its own: a long name gives way to the answer
  const said = h("span", { class: "newest-said" });
  const ago = h("span", { class: "newest-ago" });
  const old = h("span", { class: "newest-old" });
  const element = h("a", { class: "newest-event", hidden: updates.events === "off" }, dot,
    h("span", { class: "newest-words" }, rule, said), ago, old);
  const path = `#/events?${new URLSearchParams({ stream: id })}`;

  function className(event) {
    if (event === undefined) return "newest-event";
    const age = time.now() - event.captured_ms;
    return `newest-event kind-${event.kind}${age < FRESH_MS ? " fresh" : ""}`;
  }

  return {
    element,
    show({ newest_event: event }) {
      const name = className(event);
      if (element.className !== name) element.className = name;
      element.hidden = updates.events === "off";
      dot.hidden = event === undefined;
      setText(rule, event === undefined ? "" : inOneLine(words.rule(event)));
      setText(said, event === undefined ? words.none[updates.events] ?? "" : inOneLine(words.said(event)));
      setText(ago, event === undefined ? "" : time.ago(event.captured_ms));
      const isOld = event !== undefined && updates.events === "unavailable";
      setText(old, isOld ? words.old : "");
      if (event === undefined) element.removeAttribute("href"); // there is nothing to go to
      else if (!element.hasAttribute("href")) element.setAttribute("href", path);
      const title = event === undefined ? "" : words.explained(id, event, time, isOld);
      if (element.title !== title) element.title = title;
    },
  };
}
