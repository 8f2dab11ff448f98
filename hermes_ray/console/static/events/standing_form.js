// A new standing question. What is wrong with it, the API says.

import { h, setText } from "../dom.js";

/**
 * @param {Object} words
 * @param {function(Object): Promise} make given what the API takes
 */
export function createStandingForm(words, make) {
  const name = h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off", placeholder: words.nameExample });
  const question = h("input", { name: "question", required: true, autocomplete: "off", placeholder: words.questionExample });
  const streams = h("input", { name: "streams", required: true, autocomplete: "off", value: "*" });
  const every = h("input", { name: "every", type: "number", required: true, min: 0.1, max: 86400, step: "any", value: 5 });
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "primary" }, words.make);
  const form = h("form", { onsubmit: send },
    h("label", {}, words.name, name), h("label", {}, words.question, question),
    h("div", { class: "pair" }, h("label", {}, words.streams, streams), h("label", {}, words.every, every)),
    h("p", { class: "soft" }, words.makeHow), trouble, h("div", { class: "buttons" }, button));
  const element = h("details", { class: "standing-new" }, h("summary", {}, words.anew), form);

  function complain(why) {
    trouble.hidden = why === null;
    setText(trouble, why ?? "");
  }

  async function send(event) {
    event.preventDefault();
    complain(null);
    button.disabled = true;
    const globs = streams.value.split(/[\s,]+/).filter(Boolean);
    await make({ name: name.value.trim(), question: question.value.trim(), streams: globs, every_s: Number(every.value) });
    button.disabled = name.disabled; // with the others, where the key may not
  }

  return {
    element,
    complain,
    clear() {
      form.reset();
      element.open = false;
    },
  };
}
