// Which events to show. The wish is part of the address, so that it can be kept and sent.

import { h, setText } from "../dom.js";

export const KINDS = ["match", "clear", "journal"];
const TYPING_MS = 250;

/** The wish that an address names. */
export function wishOf(query) {
  return {
    words: query.get("q") ?? "",
    stream: query.get("stream") ?? "",
    rule: query.get("rule") ?? "",
    kinds: new Set(query.getAll("kind").filter((kind) => KINDS.includes(kind))),
  };
}

/** The wish in the API's words; what is not wished for is null or empty, so left out. */
export function queryOf({ words, stream, rule, kinds }) {
  return { q: words.trim() || null, stream: stream.trim() || null, rule: rule || null, kind: [...kinds] };
}

export const isFiltered = ({ words, stream, rule, kinds }) => Boolean(words.trim() || stream.trim() || rule || kinds.size);

/**
 * @param {Object} words of this view
 * @param {Object} wish changed in place
 * @param {function()} changed
 */
export function createFilters(words, wish, changed) {
  let timer = null;
  const typed = (change) => {
    clearTimeout(timer);
    timer = setTimeout(() => set(change()), TYPING_MS);
  };
  const search = h("input", { type: "search", placeholder: words.search, "aria-label": words.search, value: wish.words,
    maxlength: 500, oninput: () => typed(() => ({ words: search.value })) });
  const names = h("datalist", { id: "event-cameras" });
  const stream = h("input", { type: "search", list: "event-cameras", placeholder: words.stream, "aria-label": words.stream,
    title: words.streamHow, value: wish.stream, maxlength: 128, oninput: () => typed(() => ({ stream: stream.value })) });
  const rule = h("select", { "aria-label": words.rule, onchange: () => set({ rule: rule.value }) },
    h("option", { value: "" }, words.anyRule));
  const rules = new Set();
  const chips = KINDS.map((kind) => h("button", { type: "button", class: `chip kind-${kind}`,
    "aria-pressed": String(wish.kinds.has(kind)), onclick: () => toggle(kind) }, h("span", { class: "dot" }), words.kinds[kind]));
  const state = h("span", { class: "soft", role: "status" });
  const element = h("div", { class: "toolbar", role: "search" }, h("h1", {}, words.title), state,
    h("div", { class: "chips", role: "group", "aria-label": words.byKind }, chips), h("div", { class: "spring" }),
    rule, stream, names, search);

  function toggle(kind) {
    const kinds = new Set(wish.kinds);
    if (!kinds.delete(kind)) kinds.add(kind);
    set({ kinds });
  }

  function set(change) {
    Object.assign(wish, change);
    KINDS.forEach((kind, at) => chips[at].setAttribute("aria-pressed", String(wish.kinds.has(kind))));
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(queryOf(wish))) {
      for (const one of [value].flat()) if (one !== null) query.append(name, one);
    }
    history.replaceState(null, "", `#/events${query.size ? `?${query}` : ""}`);
    changed();
  }

  function learnRule(name) {
    if (!name || rules.has(name)) return;
    rules.add(name);
    rule.append(h("option", { value: name, selected: name === wish.rule }, name));
  }

  learnRule(wish.rule);
  return {
    element,
    search,
    /** Names of standing questions that can be picked. */
    learnRule,
    /** Ids of streams that can be picked; any other, or a pattern, can be typed. */
    showStreams: (ids) => names.replaceChildren(...ids.map((id) => h("option", { value: id }))),
    showState: (said) => setText(state, said),
    /** Ask for everything. */
    clear() {
      search.value = stream.value = rule.value = "";
      set({ words: "", stream: "", rule: "", kinds: new Set() });
    },
    close: () => clearTimeout(timer),
  };
}
