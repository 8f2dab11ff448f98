// One camera in the grid: its picture, how it is, what is remembered, and the newest event.

import { h, setText } from "../../dom.js";
import { createNewest } from "../../events/newest.js";

/**
 * @param {string} id
 * @param {Object} context see app.js
 */
export function createCard(id, context) {
  const { text, time } = context;
  const words = text.cameras;
  const image = h("img", { alt: "", decoding: "async" });
  const missing = h("span", { class: "missing", hidden: true });
  const state = h("span", { class: "state" });
  const span = h("span", { class: "span" });
  const held = h("span", { class: "held" });
  const fill = h("span", { class: "fill" });
  const name = h("span", { class: "name" }, id);
  const newest = createNewest(id, context);
  const camera = h("a", { class: "camera", href: `#/camera/${encodeURIComponent(id)}` },
    h("div", { class: "picture" }, image, missing),
    h("div", { class: "line" }, h("span", { class: "dot" }), name, state),
    h("div", { class: "bar-of-memory", "aria-hidden": "true" }, fill),
    h("div", { class: "line soft" }, span, held));
  const element = h("div", { class: "camera-cell" }, camera, newest.element);
  image.addEventListener("load", () => camera.classList.add("has-picture"));

  return {
    id,
    element,
    image,
    /** Show what is known of the stream now. */
    show(stream) {
      const className = `camera state-${stream.state}${camera.classList.contains("has-picture") ? " has-picture" : ""}`;
      if (camera.className !== className) camera.className = className;
      setText(state, words.state(stream, time));
      setText(span, words.remembers(stream, time));
      setText(held, words.held(stream));
      const share = stream.kv_budget ? Math.min(1, stream.kv_tokens / stream.kv_budget) : 0;
      fill.style.transform = `scaleX(${share})`;
      const title = words.explained(stream, time);
      if (camera.title !== title) camera.title = title;
      newest.show(stream);
    },
    /** Say why there is no picture; null: there is one. */
    showMissing(why) {
      missing.hidden = why === null;
      setText(missing, why ?? "");
    },
  };
}
