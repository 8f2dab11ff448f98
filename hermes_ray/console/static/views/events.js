// What standing questions and journals found out: as it comes, and searched.

import { Problem, Unreachable } from "../api.js";
import { h, setText } from "../dom.js";
import { createFilters, isFiltered, queryOf, wishOf } from "../events/filters.js";
import { follow } from "../events/follow.js";
import { createList } from "../events/list.js";
import { unseenOf } from "../events/seen.js";
import { createStanding } from "../events/standing.js";
import { pause } from "../pause.js";

const PAGE = 50;
const MOST_WAITING = 200; // beyond, the list is fetched anew
const RETRY_MS = 3000;
const AT_TOP_PX = 120; // somebody who has scrolled further reads, and must not lose the place

export function mount(root, context, params) {
  const { api, text, updates, seen } = context;
  const words = text.events;
  const wish = wishOf(params.query);
  const mark = seen.mark();
  const ending = new AbortController();
  const filters = createFilters(words, wish, begin);
  const standing = createStanding(context, filters.learnRule, ending.signal);
  const list = createList(context, more);
  const notice = h("section", { class: "notice", hidden: true });
  const jump = h("button", { type: "button", class: "primary events-waiting", hidden: true, onclick: toTop });
  const loading = h("div", { class: "events-loading", "aria-busy": "true", "aria-label": words.loading, role: "status" },
    Array.from({ length: 5 }, () => h("div", { class: "event panel" })));
  root.append(filters.element, h("p", { class: "soft lede" }, words.lede), h("div", { class: "events-columns" },
    standing.element, h("div", { class: "events-main" }, h("div", { class: "events-jump", role: "status" }, jump), loading, notice, list.element)));

  let turn = null; // of one wish: ends what belongs to it
  let next = null; // how the page behind the list is asked for; null: there is none
  let waiting = [];
  let fetching = false;
  let isLoaded = false;
  let isLive = false;
  let wasConnected = false; // since this wish
  let streamsShown = -1;

  /** Show what is wished for now. */
  function begin() {
    turn?.abort();
    turn = new AbortController();
    [next, waiting, fetching, isLoaded, isLive, wasConnected] = [null, [], false, false, false, false];
    list.clear();
    showWaiting();
    notice.hidden = true;
    loading.hidden = false;
    filters.showState(text.connection.connecting);
    const told = { connected, arrived, failed: lost };
    follow(api, queryOf(wish), told, AbortSignal.any([turn.signal, ending.signal]));
  }

  function connected() {
    const isFirst = !wasConnected;
    [isLive, wasConnected] = [true, true];
    filters.showState(words.live);
    standing.load();
    if (isFirst) fetchPage({}); // after the connection, so that no event falls between the two
    else showAll(); // what was said of the loss is true no more
  }

  function lost(error) {
    isLive = false;
    failed(error);
    const isFull = ["overloaded", "rate-limited"].includes(error.code);
    if (isFull && !isLoaded) fetchPage({}); // too many follow; what is there can be read
  }

  async function fetchPage(place) {
    if (fetching) return;
    fetching = true;
    const signal = AbortSignal.any([turn.signal, ending.signal]);
    try {
      const page = await api.get("v1/events", { query: { ...queryOf(wish), limit: PAGE, ...place }, signal });
      if (signal.aborted) return;
      take(page);
    } catch (error) {
      if (signal.aborted) return;
      failed(error);
      if (error.needsKey) return;
      await pause(RETRY_MS, signal);
      if (signal.aborted) return;
    }
    fetching = false;
    if (isLoaded) list.showMore(next !== null);
    else fetchPage(place);
  }

  function take(page) {
    const unseen = new Set(unseenOf(page.events, mark));
    for (const event of page.events) add(event, unseen.has(event), false);
    next = page.next === null ? null : { cursor: page.next };
    isLoaded = true;
    if (isLive) filters.showState(words.live);
    showAll();
  }

  function add(event, isNew, isFresh) {
    list.add(event, { isNew, isFresh });
    filters.learnRule(event.rule);
  }

  function arrived(event) {
    if (list.has(event.id) || waiting.some(({ id }) => id === event.id)) return;
    waiting.push(event);
    if (window.scrollY <= AT_TOP_PX) letIn();
    else showWaiting();
  }

  function letIn() {
    if (waiting.length > MOST_WAITING) return begin();
    for (const event of waiting) add(event, true, true);
    waiting = [];
    if (list.trim()) {
      next = { until: new Date(list.oldest().captured_ms + 1).toISOString() }; // those of that moment are known by id
      list.showMore(true);
    }
    showWaiting();
    showAll();
  }

  function showWaiting() {
    jump.hidden = waiting.length === 0;
    setText(jump, waiting.length === 0 ? "" : words.waiting(waiting.length, waiting.length > MOST_WAITING));
  }

  function showAll() {
    loading.hidden = isLoaded || list.size > 0;
    notice.hidden = list.size > 0 || !isLoaded;
    if (!notice.hidden) notice.replaceChildren(...nothing());
    takeNote();
  }

  /** What is at the top of the whole list, before somebody's eyes, is seen. */
  function takeNote() {
    if (list.newest() !== null && !document.hidden && !isFiltered(wish)) seen.take(list.newest());
  }

  function nothing() {
    if (isFiltered(wish)) {
      return [h("h2", {}, words.noMatch), h("button", { type: "button", onclick: () => filters.clear() }, words.showAll)];
    }
    return [h("h2", {}, words.none), h("p", {}, words.noneHow), h("p", {}, h("code", {}, words.noneCommand))];
  }

  function failed(error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    filters.showState(words.notLive);
    if (context.report(error)) return; // another key mounts the view anew
    const why = error instanceof Problem ? error.message : words.unreachable;
    if (list.size > 0) return filters.showState(words.notLiveWhy(why)); // what is shown was true then
    loading.hidden = true;
    notice.hidden = false;
    notice.replaceChildren(h("h2", {}, words.unavailable), h("p", {}, why), h("p", {}, words.tryingAgain));
  }

  function showStreams() {
    streamsShown = updates.streams.size;
    filters.showStreams([...updates.streams.keys()].sort());
  }

  function more() {
    if (next !== null) fetchPage(next);
  }

  function toTop() {
    window.scrollTo(0, 0);
    letIn();
    filters.search.focus({ preventScroll: true });
  }

  const scrolled = () => waiting.length > 0 && window.scrollY <= AT_TOP_PX && letIn();
  const slash = (event) => {
    if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    filters.search.focus();
  };
  const unsubscribe = updates.subscribe(({ streams, connection }) => {
    if ((connection || streams !== null) && updates.streams.size !== streamsShown) showStreams();
  });
  window.addEventListener("scroll", scrolled, { passive: true });
  document.addEventListener("keydown", slash);
  document.addEventListener("visibilitychange", takeNote);
  showStreams();
  begin();

  return () => {
    ending.abort();
    unsubscribe();
    filters.close();
    list.close();
    window.removeEventListener("scroll", scrolled);
    document.removeEventListener("keydown", slash);
    document.removeEventListener("visibilitychange", takeNote);
  };
}
