// Why there is no answer, as the API says it, and a way to try again.

import { Problem, Unreachable } from "../api.js";
import { h } from "../dom.js";

/**
 * @param {Object} context as the views have it.
 * @param {Error} error
 * @param {?function()} again Try it again; null where that would not help.
 * @param {boolean} brokeOff A part of the answer had come.
 * @returns {HTMLElement}
 */
export function failureOf({ text }, error, again, brokeOff = false) {
  const words = text.asking;
  if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
  const title = error instanceof Problem ? error.title || words.failed : brokeOff ? words.brokeOff : words.unreachable;
  const detail = error instanceof Problem ? error.message : words.unreachableWhy;
  return h("div", { class: "failure", role: "alert" }, h("b", {}, title),
    detail === title ? null : h("p", {}, detail), again === null ? null : againButton(words, error.retryAfterS ?? 0, again));
}

/** Counts down to when the API wants to be asked again. */
function againButton(words, waitS, again) {
  const button = h("button", { type: "button", onclick: again });
  let leftS = waitS;

  function show() {
    button.disabled = leftS > 0;
    button.textContent = leftS > 0 ? words.againIn(leftS) : words.again;
  }

  function tick() {
    leftS -= 1;
    show();
    if (leftS > 0) setTimeout(tick, 1000);
  }

  show();
  if (leftS > 0) setTimeout(tick, 1000);
  return button;
}
