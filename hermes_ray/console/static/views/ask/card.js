// One camera among those that are asked: what it sees now, and what it answers.

import { Problem } from "../../api.js";
import { createAnswer } from "../../asking/answer.js";
import { h, setText } from "../../dom.js";

const MOST_EVIDENCE = 3;

/**
 * @param {string} id
 * @param {Object} context as the views have it.
 * @param {function(string): Promise<string>} pictureAt The address of a picture for an <img>, given its path in the API.
 */
export function createCard(id, context, pictureAt) {
  const { text, time } = context;
  const image = h("img", { alt: "", decoding: "async" });
  const state = h("span", { class: "soft" });
  const place = h("div", { class: "ask-answer" });
  const element = h("li", { class: "ask-card panel", "data-id": id },
    h("div", { class: "ask-camera" }, h("div", { class: "ask-picture" }, image),
      h("div", {}, h("a", { href: `#/camera/${encodeURIComponent(id)}` }, id), state)),
    place);
  let answer = null;

  return {
    element,
    image,
    /** Show what is known of the stream now. */
    show(stream) {
      setText(state, text.camera.state(stream, time));
    },
    /** It is asked. */
    wait() {
      answer = createAnswer(context, pictureAt, { most: MOST_EVIDENCE, waiting: text.ask.waiting });
      place.replaceChildren(answer.element);
    },
    /** What became of the question, as the API says it. */
    take(result) {
      if (result.problem === null) answer.finish(result.answer);
      else answer.fail(new Problem(result.problem.status, result.problem), null);
    },
    /** Nothing will come any more, if nothing has; `why` in words. */
    stop(why) {
      if (answer?.element.dataset.state === "waiting") answer.stop(why);
    },
    /** Not asked. */
    clear() {
      answer = null;
      place.replaceChildren();
    },
  };
}
