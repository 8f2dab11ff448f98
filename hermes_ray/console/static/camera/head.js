// A camera in one line: its name, its state, what is set for it, how it fares, and its newest event.

import { h, setText } from "../dom.js";
import { createNewest } from "../events/newest.js";

/**
 * @param {Object} context as the views have it.
 * @param {string} stream
 * @returns {{element: HTMLElement, show: function(Object)}} `show` takes what an update says of the stream.
 */
export function createHead(context, stream) {
  const { text, time } = context;
  const words = text.camera;
  const state = h("span", { class: "camera-state" });
  const labels = h("span", { class: "camera-labels" });
  const facts = h("dl", { class: "camera-facts" });
  const values = Object.entries(words.facts).map(([name, word]) => {
    const value = h("dd");
    facts.append(h("div", {}, h("dt", {}, word), value));
    return [name, value];
  });
  const newest = createNewest(stream, context);
  const element = h("header", { class: "camera-head" }, h("h1", {}, stream), state, labels, newest.element, facts);

  function valueOf(name, status) {
    switch (name) {
      case "age": return time.ago(status.as_of_ms);
      case "lag": return time.span(status.lag_ms);
      case "frames": return text.number(status.frames_seen);
      case "held": return words.held(status.kv_tokens, status.kv_budget);
      default: return status[name];
    }
  }

  return {
    element,
    show(status) {
      newest.show(status);
      state.className = `camera-state state-${status.state}`;
      state.replaceChildren(h("span", { class: "dot" }), words.state(status, time));
      labels.replaceChildren(...Object.entries(status.labels ?? {}).map(([name, value]) =>
        h("span", { class: "label" }, value ? `${name}: ${value}` : name)));
      for (const [name, value] of values) {
        value.parentElement.hidden = name === "lag" && status.lag_ms === undefined;
        setText(value, valueOf(name, status));
      }
    },
  };
}
