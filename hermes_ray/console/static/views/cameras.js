// All cameras: a grid of their latest pictures. Only what is on the screen is kept current.

import { h } from "../dom.js";
import { createPictures } from "../pictures.js";
import { createCard } from "./cameras/card.js";
import { moveFocus } from "./cameras/keys.js";
import { chosen, counted } from "./cameras/order.js";
import { createToolbar, wishOf } from "./cameras/toolbar.js";

const RESORT_MS = 5000; // an order by lag changes all the time; cards that jump cannot be read
const AHEAD = "300px"; // pictures begin to load before they are reached

export function mount(root, context, params) {
  const { api, text, time, updates } = context;
  const words = text.cameras;
  const wish = wishOf(params.query);
  const cards = new Map();
  const seen = new Set();
  const pictures = createPictures(api, pictureFailed);
  const toolbar = createToolbar(text, wish, arrange);
  const grid = h("div", { class: "grid", "aria-label": words.title, onkeydown: (event) => moveFocus(event, grid) });
  const place = h("div", {});
  const observer = new IntersectionObserver(crossed, { rootMargin: AHEAD });
  const noEvents = h("p", { class: "no-events", role: "status", hidden: true }, words.noEvents);
  root.append(toolbar.element, h("p", { class: "soft lede" }, words.lede), noEvents, place);

  function crossed(entries) {
    for (const { target, isIntersecting } of entries) {
      const id = target.dataset.id;
      if (isIntersecting) {
        seen.add(id);
        refresh(id);
      } else {
        seen.delete(id);
        pictures.leave(id);
      }
    }
  }

  function refresh(id) {
    const stream = updates.streams.get(id);
    const card = cards.get(id);
    if (stream === undefined || card === undefined) return;
    card.show(stream);
    if (updates.connection.phase === "live") pictures.see(id, card.image, stream.as_of_ms);
  }

  function cardOf(id) {
    let card = cards.get(id);
    if (card === undefined) {
      card = createCard(id, context);
      card.element.dataset.id = id;
      cards.set(id, card);
      observer.observe(card.element);
    }
    return card;
  }

  function remove(id) {
    const card = cards.get(id);
    if (card === undefined) return;
    observer.unobserve(card.element);
    cards.delete(id);
    seen.delete(id);
    pictures.forget(id);
  }

  function arrange() {
    const streams = [...updates.streams.values()];
    const ids = chosen(streams, wish);
    toolbar.show(counted(streams), ids.length, isKnown() ? streams.length : null);
    const now = ids.map((id) => cardOf(id).element);
    if (!sameOrder(grid.children, now)) {
      const focused = document.activeElement;
      grid.replaceChildren(...now);
      if (grid.contains(focused)) focused.focus({ preventScroll: true });
    }
    const content = ids.length > 0 ? grid : nothing(streams.length > 0);
    if (content !== null && place.firstChild !== content) place.replaceChildren(content);
    for (const id of seen) refresh(id);
  }

  function showEvents() {
    toolbar.showEvents(updates.events !== "off");
    noEvents.hidden = updates.events !== "unavailable";
    seen.forEach(refresh);
  }

  /** Whether it is known which streams there are. */
  function isKnown() {
    return updates.connection.phase === "live" || updates.streams.size > 0;
  }

  function nothing(filtered) {
    if (filtered) {
      return h("section", { class: "notice" }, h("h2", {}, words.noMatch),
        h("button", { type: "button", onclick: () => toolbar.clear() }, words.showAll));
    }
    if (updates.connection.phase === "live") {
      return h("section", { class: "notice" }, h("h2", {}, words.none), h("p", {}, words.noneHow),
        h("p", {}, h("code", {}, words.noneCommand)));
    }
    return h("div", { class: "grid loading", "aria-busy": "true", "aria-label": text.connection.connecting },
      Array.from({ length: 8 }, () => h("div", { class: "camera-cell" }, h("div", { class: "camera" }, h("div", { class: "picture" })))));
  }

  function pictureFailed(id, error) {
    cards.get(id)?.showMissing(error === null ? null : words.noPicture(error));
    if (error !== null) context.report(error);
  }

  const unsubscribe = updates.subscribe(({ streams, events, connection }) => {
    if (connection) {
      pictures.again();
      arrange();
    }
    if (events) showEvents();
    if (streams === null) return;
    let rearrange = false;
    for (const id of streams) {
      if (!updates.streams.has(id)) remove(id);
      rearrange ||= updates.streams.has(id) !== (cards.get(id)?.element.isConnected ?? false) || wish.states.size > 0;
      if (seen.has(id)) refresh(id);
    }
    if (rearrange) arrange();
    else toolbar.show(counted(updates.streams.values()), grid.childElementCount, updates.streams.size);
  });
  const ticking = setInterval(() => seen.forEach(refresh), 1000); // "silent for 12 s" goes on by itself
  const sorting = setInterval(() => !grid.matches(":hover, :focus-within") && arrange(), RESORT_MS);
  const slash = (event) => {
    if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    toolbar.search.focus();
  };
  document.addEventListener("keydown", slash);
  showEvents();
  arrange();

  return () => {
    unsubscribe();
    clearInterval(ticking);
    clearInterval(sorting);
    observer.disconnect();
    pictures.close();
    document.removeEventListener("keydown", slash);
  };
}

function sameOrder(children, elements) {
  return children.length === elements.length && elements.every((element, at) => children[at] === element);
}
