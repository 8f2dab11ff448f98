// Standing questions: which there are, muting, deleting and making one.

import { Problem, Unreachable } from "../api.js";
import { confirmed } from "../dialog.js";
import { h, setText } from "../dom.js";
import { createStandingForm } from "./standing_form.js";

const PATH = "v1/standing-questions";
const WIDE = "(min-width: 64rem)"; // as in events.css

/**
 * @param {Object} context see app.js
 * @param {function(string)} learnRule told the name of each
 * @param {AbortSignal} signal
 */
export function createStanding(context, learnRule, signal) {
  const { api, text } = context;
  const words = text.events.standing;
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const count = h("span", { class: "soft" });
  const list = h("ul", {}, h("li", { class: "soft" }, words.loading));
  const form = createStandingForm(words, make);
  const element = h("details", { class: "standing panel", open: matchMedia(WIDE).matches },
    h("summary", {}, h("h2", {}, words.title), count), trouble, list, form.element);
  let mayChange = true;

  function complain(why) {
    trouble.hidden = why === null;
    setText(trouble, why ?? "");
  }

  /** Says what went wrong, where it belongs; true if the key may not change standing questions at all. */
  function failed(error, say = complain) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    if (error.status === 403) {
      mayChange = false;
      complain(words.mayNot(error.message));
      lock();
    } else if (!context.report(error)) say(error.message);
  }

  function lock() {
    for (const control of element.querySelectorAll("button, input")) control.disabled = true;
  }

  async function load() {
    try {
      const { standing_questions: found } = await api.get(PATH, { signal });
      setText(count, found.length === 0 ? "" : String(found.length));
      list.replaceChildren(...(found.length === 0 ? [h("li", { class: "soft" }, words.none)] : found.map(itemOf)));
      for (const { question } of found) learnRule(question.name);
      if (mayChange) complain(null);
      else lock();
    } catch (error) {
      failed(error);
    }
  }

  function itemOf(standing) {
    const { question, in_settings: isFixed } = standing;
    const mute = h("button", { type: "button", "aria-label": (question.muted ? words.unmuteOne : words.muteOne)(question.name),
      onclick: () => change(mute, () => api.patch(`${PATH}/${encodeURIComponent(question.name)}`, { muted: !question.muted }, { signal })) },
      question.muted ? words.unmute : words.mute);
    const remove = h("button", { type: "button", "aria-label": words.removeOne(question.name), disabled: isFixed,
      title: isFixed ? words.ofSettings : null, onclick: () => removed(remove, question) }, words.remove);
    return h("li", { class: question.muted ? "muted" : null },
      h("div", { class: "standing-name" }, h("span", { class: "mono" }, question.name),
        h("span", { class: "label" }, question.muted ? words.muted : words.asked)),
      h("p", {}, question.question),
      h("p", { class: "soft" }, words.how(standing)),
      h("div", { class: "buttons" }, mute, remove));
  }

  async function change(button, act) {
    button.disabled = true;
    try {
      await act();
      complain(null);
      await load();
    } catch (error) {
      button.disabled = false;
      failed(error);
    }
  }

  async function removed(button, { name }) {
    const ask = { title: words.removing.title(name), body: words.removing.body, yes: words.removing.yes, no: words.removing.no, danger: true };
    if (!(await confirmed(ask, signal))) return;
    await change(button, () => api.delete(`${PATH}/${encodeURIComponent(name)}`, { signal }));
  }

  async function make(question) {
    try {
      await api.post(PATH, question, { signal });
      form.clear();
      await load();
    } catch (error) {
      failed(error, form.complain);
    }
  }

  return { element, load };
}
