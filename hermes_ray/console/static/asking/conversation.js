// Questions to one camera, and its answers, as a conversation that goes on.

import { h } from "../dom.js";
import { createAnswer } from "./answer.js";
import { ask, newSession } from "./ask.js";
import { createQuestionForm } from "./question_form.js";
import { suggestions } from "./suggestions.js";

/**
 * @param {Object} context as the views have it.
 * @param {string} stream
 * @param {function(string): Promise<string>} pictureAt The address of a picture for an <img>, given its path in the API.
 * @param {{light: function(?Array), look: function(?number)}} map is told the evidence of the answer that is looked at.
 * @returns {{element: HTMLElement, close: function()}}
 */
export function createConversation(context, stream, pictureAt, map) {
  const { api, text } = context;
  const words = text.asking;
  const turns = h("ol", { class: "turns", "aria-label": words.turns });
  const spoken = h("div", { class: "visually-hidden", "aria-live": "polite" });
  const anew = h("button", { type: "button", class: "small", hidden: true, onclick: beginAnew }, words.anew);
  const hint = h("p", { class: "soft asking-hint" }, words.hint);
  const form = createQuestionForm(words, { label: words.label(stream), send, stop: () => asking?.abort() });
  const element = h("section", { class: "conversation panel", "aria-labelledby": "conversation-title" },
    h("header", {}, h("h2", { id: "conversation-title" }, words.title), anew), hint, turns, form.element, spoken);
  const closing = new AbortController();
  let session = newSession();
  let asking = null;

  suggest();

  async function suggest() {
    try {
      form.suggest(await suggestions(api, stream, closing.signal));
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  function beginAnew() {
    asking?.abort();
    session = newSession();
    turns.replaceChildren();
    hint.hidden = false;
    anew.hidden = true;
    map.light(null);
    form.focus();
  }

  function newTurn(question) {
    const answer = createAnswer(context, pictureAt, { look: map.look, suggest: send });
    const light = h("button", { type: "button", class: "small turn-light", hidden: true }, words.light);
    const asked = h("div", { class: "turn-question" }, h("p", {}, question), light);
    const turn = h("li", { class: "turn" }, asked, answer.element);
    return { turn, answer, light };
  }

  function show({ turn, light }, answer) {
    light.addEventListener("click", () => lightUp(turn, answer));
    light.hidden = answer.evidence.length === 0;
    lightUp(turn, answer);
  }

  /** Its evidence is what the map shows. */
  function lightUp(turn, answer) {
    for (const other of turns.children) {
      other.classList.toggle("lit", other === turn);
      other.querySelector(".turn-light").setAttribute("aria-pressed", String(other === turn));
    }
    map.light(answer.evidence);
  }

  async function send(question) {
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    const made = newTurn(question);
    turns.append(made.turn);
    hint.hidden = true;
    anew.hidden = false;
    form.busy(true);
    reveal();
    const signal = AbortSignal.any([mine.signal, closing.signal]);
    try {
      const answer = await ask(api, stream, question, { session, signal, onText: made.answer.add });
      made.answer.finish(answer);
      show(made, answer);
      spoken.textContent = words.spoken(answer.answer);
    } catch (error) {
      if (error.name === "AbortError") made.answer.stop();
      else {
        context.report(error);
        made.answer.fail(error, () => (made.turn.remove(), send(question)));
      }
    } finally {
      if (asking === mine) {
        asking = null;
        form.busy(false);
      }
    }
  }

  /** The newest question is at the top of the list, its answer below it; a list that does not scroll stays. */
  function reveal() {
    turns.scrollTop = turns.lastElementChild.offsetTop;
  }

  return {
    element,
    close() {
      closing.abort();
    },
  };
}
