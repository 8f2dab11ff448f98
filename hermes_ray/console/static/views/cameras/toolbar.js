// What to show of the cameras, and in which order. The wish is part of the address, so that it can be kept and sent.

import { h, setText } from "../../dom.js";
import { SORTS, STATES } from "./order.js";

/** The wish that an address names. */
export function wishOf(query) {
  return {
    search: query.get("q") ?? "",
    states: new Set(query.getAll("state").filter((state) => STATES.includes(state))),
    sort: SORTS.includes(query.get("sort")) ? query.get("sort") : SORTS[0],
  };
}

/**
 * @param {Object} text
 * @param {Object} wish changed in place.
 * @param {function()} changed
 */
export function createToolbar(text, wish, changed) {
  const words = text.cameras;
  const search = h("input", { type: "search", placeholder: words.search, "aria-label": words.search, value: wish.search,
    oninput: () => set({ search: search.value }) });
  const sort = h("select", { "aria-label": words.sort, onchange: () => set({ sort: sort.value }) },
    SORTS.map((name) => h("option", { value: name, selected: name === wish.sort }, words.sorts[name])));
  const counts = Object.fromEntries(STATES.map((state) => [state, h("span", { class: "count" })]));
  const chips = STATES.map((state) =>
    h("button", { type: "button", class: `chip state-${state}`, "aria-pressed": String(wish.states.has(state)),
      onclick: () => toggle(state) },
      h("span", { class: "dot" }), words.states[state], counts[state]));
  const total = h("span", { class: "soft total", role: "status" });
  const element = h("div", { class: "toolbar", role: "search" },
    h("h1", {}, words.title), total, h("div", { class: "chips", role: "group", "aria-label": words.byState }, chips),
    h("div", { class: "spring" }), search, sort);

  function toggle(state) {
    const states = new Set(wish.states);
    if (!states.delete(state)) states.add(state);
    set({ states });
  }

  function set(change) {
    Object.assign(wish, change);
    STATES.forEach((state, at) => chips[at].setAttribute("aria-pressed", String(wish.states.has(state))));
    const query = new URLSearchParams();
    if (wish.search) query.set("q", wish.search);
    for (const state of wish.states) query.append("state", state);
    if (wish.sort !== SORTS[0]) query.set("sort", wish.sort);
    history.replaceState(null, "", `#/${query.size ? `?${query}` : ""}`);
    changed();
  }

  return {
    element,
    search,
    /** Show how many there are in each state; a state that none is in, and nobody asked for, is left out. */
    show(byState, shown, all) {
      STATES.forEach((state, at) => {
        setText(counts[state], String(byState[state]));
        chips[at].hidden = byState[state] === 0 && !wish.states.has(state);
      });
      setText(total, words.total(shown, all));
    },
    /** Whether there is an order by events. */
    showEvents(areKept) {
      sort.querySelector("[value=event]").hidden = !areKept;
    },
    /** Ask for everything. */
    clear() {
      search.value = "";
      set({ search: "", states: new Set() });
    },
  };
}
