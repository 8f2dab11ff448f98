// One answer, from its first word to its evidence.

import { Problem, Unreachable } from "../api.js";
import { h } from "../dom.js";
import { failureOf } from "./failure.js";

const OLD_MS = 60_000; // the API calls a camera silent from then on

/**
 * @param {Object} context as the views have it.
 * @param {function(string): Promise<string>} pictureAt The address of a picture for an <img>, given its path in the API.
 * @param {{look: ?function(?number), most: number, suggest: ?function(string), waiting: ?string}} options `look` is told
 *   the number of the frame that the visitor looks at in the evidence, null for none; `most` pictures are shown;
 *   `suggest` is given the question that the visitor picks from those that the model understands instead; `waiting` is
 *   said until the first word comes.
 */
export function createAnswer(context, pictureAt, { look = null, most = 8, suggest = null, waiting = null } = {}) {
  const { text, time } = context;
  const words = text.asking;
  const said = h("p", { class: "answer-text" });
  const facts = h("p", { class: "answer-facts soft" }, waiting ?? words.waiting);
  const element = h("div", { class: "answer", "data-state": "waiting" }, said, facts);

  function factsOf(answer) {
    const age = h("span", { class: answer.age_ms >= OLD_MS ? "answer-old" : null }, words.age(time.span(answer.age_ms)));
    return [h("time", { datetime: answer.as_of, title: time.full(answer.as_of_ms) }, words.asOf(time.at(answer.as_of_ms))),
      " · ", age, answer.finish_reason === "length" ? ` · ${words.cutShort}` : ""];
  }

  async function load(image, figure, path) {
    try {
      image.src = await pictureAt(path);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      figure.dataset.state = "without";
      figure.title = error.message;
    }
  }

  function evidenceOf(answer) {
    return h("ol", { class: "evidence", "aria-label": words.evidence }, answer.evidence.slice(0, most).map((one, index) => {
      const at = one.captured_ms === null ? words.frame(one.frame) : time.at(one.captured_ms);
      const image = h("img", { alt: words.evidencePicture(index + 1, at), width: 80, height: 60 });
      const number = look === null ? null : h("b", { "aria-hidden": "true" }, String(index + 1));
      const parts = [h("span", { class: "evidence-picture" }, image, number), h("span", {}, at),
        h("span", { class: "soft" }, words.share(one.weight))];
      const figure = look === null ? h("div", {}, parts) : h("button", { type: "button", onfocus: () => look(one.frame),
        onblur: () => look(null), onpointerenter: () => look(one.frame), onpointerleave: () => look(null) }, parts);
      load(image, figure, one.picture);
      return h("li", {}, figure);
    }));
  }

  function warningOf({ message, examples = [] }) {
    const chips = suggest === null ? [] : examples.map((example) =>
      h("button", { type: "button", class: "suggestion", onclick: () => suggest(example) }, example));
    return h("div", { class: "answer-warning" }, h("p", {}, words.warning(message)),
      chips.length > 0 ? h("p", {}, chips) : null);
  }

  return {
    element,
    /** A further piece of the text. */
    add(piece) {
      element.dataset.state = "streaming";
      facts.textContent = words.answering;
      said.append(piece);
    },
    /** The whole answer is there. */
    finish(answer) {
      element.dataset.state = "done";
      said.textContent = answer.answer.trim() || words.nothingSaid;
      facts.replaceChildren(...factsOf(answer));
      element.append(...(answer.warnings ?? []).map(warningOf));
      if (answer.evidence.length > 0) element.append(evidenceOf(answer));
    },
    /** It failed. */
    fail(error, again) {
      element.dataset.state = "failed";
      facts.replaceWith(failureOf(context, error, again, said.textContent !== ""));
    },
    /** No more of it comes, by default since the visitor stopped it. */
    stop(why = words.stopped) {
      element.dataset.state = "stopped";
      facts.textContent = why;
    },
  };
}
