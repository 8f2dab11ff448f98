// One camera in the grid: its picture, how it is, and what is remembered.

import { h, setText } from "../../dom.js";

/**
 * @param {string} id
 * @param {Object} context see app.js
 */
export function createCard(id, { text, time }) {
  const words = text.cameras;
  const image = h("img", { alt: "", decoding: "async" });
  const missing = h("span", { class: "missing", hidden: true });
  const state = h("span", { class: "state" });
  const span = h("span", { class: "span" });
  const held = h("span", { class: "held" });
  const fill = h("span", { class: "fill" });
  const name = h("span", { class: "name" }, id);
  const element = h("a", { class: "camera", href: `#/camera/${encodeURIComponent(id)}` },
    h("div", { class: "picture" }, image, missing),
    h("div", { class: "line" }, h("span", { class: "dot" }), name, state),
    h("div", { class: "bar-of-memory", "aria-hidden": "true" }, fill),
    h("div", { class: "line soft" }, span, held));
  image.addEventListener("load", () => element.classList.add("has-picture"));

  return {
    id,
    element,
    image,
    /** Show what is known of the stream now. */
    show(stream) {
      const className = `camera state-${stream.state}${element.classList.contains("has-picture") ? " has-picture" : ""}`;
      if (element.className !== className) element.className = className;
      setText(state, words.state(stream, time));
      setText(span, words.remembers(stream, time));
      setText(held, words.held(stream));
      const share = stream.kv_budget ? Math.min(1, stream.kv_tokens / stream.kv_budget) : 0;
      fill.style.transform = `scaleX(${share})`;
      const title = words.explained(stream, time);
      if (element.title !== title) element.title = title;
    },
    /** Say why there is no picture; null: there is one. */
    showMissing(why) {
      missing.hidden = why === null;
      setText(missing, why ?? "");
    },
  };
}
