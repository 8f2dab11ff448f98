// How many cameras gave which answer; picking one shows only those.

import { h } from "../../dom.js";
import { countAnswers } from "./answer_counts.js";

const MOST = 8;

/**
 * @param {Object} words
 * @param {function()} changed another answer was picked.
 */
export function createAnswerCountBar(words, changed) {
  const element = h("div", { class: "answer-counts", role: "group", "aria-label": words.answerCounts, hidden: true });
  let groups = [];
  let picked = null;

  function pick(answer) {
    picked = picked === answer ? null : answer;
    draw();
    changed();
  }

  function draw() {
    element.replaceChildren(...groups.slice(0, MOST).map(({ answer, streams }) =>
      h("button", { type: "button", "aria-pressed": String(answer === picked), onclick: () => pick(answer) },
        h("b", {}, String(streams.length)), " ", answer || words.nothingSaid)));
  }

  return {
    element,
    /** The cameras that gave the picked answer; null if none is picked. */
    get streams() {
      const group = groups.find(({ answer }) => answer === picked);
      return group === undefined ? null : new Set(group.streams);
    },
    /** Count what came so far; where no two answers are equal there is nothing to count. */
    show(results) {
      groups = countAnswers(results);
      element.hidden = !groups.some(({ streams }) => streams.length > 1);
      const focused = [...element.children].indexOf(document.activeElement);
      if (groups.length === 0) picked = null;
      draw();
      element.children[focused]?.focus();
    },
  };
}
