// One question to many cameras, and their answers side by side.

import { askAll } from "../asking/ask.js";
import { failureOf } from "../asking/failure.js";
import { createQuestionForm } from "../asking/question_form.js";
import { suggestions } from "../asking/suggestions.js";
import { h } from "../dom.js";
import { createFramePictures } from "../frame_pictures.js";
import { createBoard } from "./ask/board.js";
import { createAnswerCountBar } from "./ask/answer_count_bar.js";
import { chosen } from "./cameras/order.js";

const TICK_MS = 1000;

/** @returns {function()} ends the view. */
export function mount(root, context, { query }) {
  const { api, text, updates } = context;
  const words = text.ask;
  const pictures = createFramePictures(api);
  const board = createBoard(context, pictures.get);
  const closing = new AbortController();
  const form = createQuestionForm(text.asking, { label: words.label, send, stop: () => asking?.abort() });
  const filter = h("input", { type: "search", placeholder: words.filter, "aria-label": words.filter,
    value: query.get("q") ?? "", oninput: arrange });
  const asked = h("p", { class: "ask-asked", hidden: true });
  const progress = h("span", { class: "soft", role: "status" });
  const counts = createAnswerCountBar(words, arrange);
  const trouble = h("div");
  const notice = h("section", { class: "notice" });
  let asking = null;
  let results = new Map();
  let suggested = false;

  root.append(h("div", { class: "ask-head" }, h("h1", {}, words.title), filter, progress), form.element, trouble, asked,
    counts.element, board.element, notice);

  /** The cameras that the filter lets through, in order. */
  function wanted() {
    return chosen(updates.streams.values(), { search: filter.value, states: new Set(), sort: "name" });
  }

  function arrange() {
    const ids = wanted();
    const answering = counts.streams;
    const shown = answering === null ? ids : ids.filter((id) => answering.has(id));
    board.show(shown);
    for (const id of shown) board.refresh(id);
    showNotice(ids.length);
    if (asking === null && results.size === 0) progress.textContent = words.willAsk(ids.length, updates.streams.size);
    if (!suggested && ids.length > 0) suggest(ids[0]);
  }

  function showNotice(count) {
    notice.hidden = count > 0;
    if (count > 0) return;
    notice.replaceChildren(h("h2", {}, nothing()));
  }

  function nothing() {
    if (updates.streams.size > 0) return words.noMatch;
    return updates.connection.phase === "live" ? text.cameras.none : text.connection.connecting;
  }

  async function suggest(id) {
    suggested = true;
    try {
      form.suggest(await suggestions(api, id, closing.signal));
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  async function send(question) {
    const ids = wanted();
    if (ids.length === 0) return;
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    results = new Map();
    trouble.replaceChildren();
    asked.hidden = false;
    asked.textContent = question;
    counts.show([]);
    form.busy(true);
    for (const id of updates.streams.keys()) board.cardOf(id).clear();
    for (const id of ids) board.cardOf(id).wait();
    arrange();
    showProgress(ids.length);
    let why = text.asking.stopped;
    try {
      for await (const result of askAll(api, ids, question, AbortSignal.any([mine.signal, closing.signal]))) {
        if (mine.signal.aborted) return;
        results.set(result.stream, result);
        board.cardOf(result.stream).take(result);
        counts.show(results.values());
        showProgress(ids.length);
        if (counts.streams !== null) arrange(); // one more gave the answer that was picked
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        why = words.none;
        context.report(error);
        trouble.replaceChildren(failureOf(context, error, () => send(question), results.size > 0));
      }
    } finally {
      if (asking === mine) {
        asking = null;
        for (const id of ids) board.cardOf(id).stop(why);
        form.busy(false);
      }
    }
  }

  function showProgress(count) {
    const failed = [...results.values()].filter(({ problem }) => problem !== null).length;
    progress.textContent = words.progress(results.size - failed, count, failed);
  }

  const unsubscribe = updates.subscribe(({ streams, connection }) => {
    const cameOrWent = [...(streams ?? [])].some((id) => updates.streams.has(id) !== board.has(id));
    if (connection || cameOrWent) arrange();
    else for (const id of streams ?? []) board.refresh(id);
  });
  const ticking = setInterval(() => wanted().forEach(board.refresh), TICK_MS);
  arrange();
  return () => {
    unsubscribe();
    clearInterval(ticking);
    closing.abort();
    board.close();
    pictures.close();
  };
}
