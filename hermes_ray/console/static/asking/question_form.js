// Where a question is written: a line, a button that asks or stops, and suggestions.

import { h } from "../dom.js";

const MOST_SUGGESTIONS = 6;

/**
 * @param {Object} words
 * @param {{label: string, send: function(string), stop: function()}} options
 */
export function createQuestionForm(words, { label, send, stop }) {
  const field = h("input", { type: "text", name: "question", autocomplete: "off", enterkeyhint: "send", maxlength: 2000,
    "aria-label": label, placeholder: words.placeholder });
  const asks = h("button", { type: "submit", class: "primary" }, words.ask);
  const stops = h("button", { type: "button", onclick: stop, hidden: true }, words.stop);
  const chips = h("div", { class: "suggestions", role: "group", "aria-label": words.suggestions, hidden: true });
  const element = h("form", { class: "question-form", onsubmit: submit },
    h("div", { class: "question-line" }, field, asks, stops), chips);

  function submit(event) {
    event.preventDefault();
    const question = field.value.trim();
    if (question === "" || asks.hidden) return;
    field.value = "";
    send(question);
  }

  return {
    element,
    focus: () => field.focus(),
    /** While a question is answered it can be stopped, and the next one written. */
    busy(isBusy) {
      const focused = document.activeElement === (isBusy ? asks : stops);
      asks.hidden = isBusy;
      stops.hidden = !isBusy;
      for (const chip of chips.children) chip.disabled = isBusy;
      if (focused) field.focus(); // the button that was pressed is gone
    },
    /** Questions to pick from; none hides them. */
    suggest(questions) {
      chips.replaceChildren(...questions.slice(0, MOST_SUGGESTIONS).map((question) =>
        h("button", { type: "button", class: "suggestion", onclick: () => send(question) }, question)));
      chips.hidden = questions.length === 0;
    },
  };
}
