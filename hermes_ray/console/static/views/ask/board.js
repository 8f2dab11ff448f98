// The cameras side by side; the newest picture of those on the screen.

import { h } from "../../dom.js";
import { createPictures } from "../../pictures.js";
import { createCard } from "./card.js";

const AHEAD = "300px";

/**
 * @param {Object} context as the views have it.
 * @param {function(string): Promise<string>} pictureAt The address of a picture for an <img>, given its path in the API.
 */
export function createBoard(context, pictureAt) {
  const { updates, text } = context;
  const cards = new Map();
  const seen = new Set();
  const pictures = createPictures(context.api, (_id, error) => error !== null && context.report(error));
  const observer = new IntersectionObserver(crossed, { rootMargin: AHEAD });
  const element = h("ul", { class: "ask-board", "aria-label": text.ask.board });

  function crossed(entries) {
    for (const { target, isIntersecting } of entries) {
      const id = target.dataset.id;
      if (isIntersecting) seen.add(id);
      else {
        seen.delete(id);
        pictures.leave(id);
      }
      refresh(id);
    }
  }

  function refresh(id) {
    const stream = updates.streams.get(id);
    if (!seen.has(id) || stream === undefined) return;
    const card = cards.get(id);
    card.show(stream);
    if (updates.connection.phase === "live") pictures.see(id, card.image, stream.as_of_ms);
  }

  function cardOf(id) {
    if (!cards.has(id)) {
      const card = createCard(id, context, pictureAt);
      cards.set(id, card);
      observer.observe(card.element);
    }
    return cards.get(id);
  }

  return {
    element,
    cardOf,
    refresh,
    has: (id) => cards.has(id),
    /** Show these cameras, in that order. */
    show(ids) {
      const elements = ids.map((id) => cardOf(id).element);
      const before = element.children;
      const isSame = elements.length === before.length && elements.every((one, at) => before[at] === one);
      if (!isSame) element.replaceChildren(...elements);
    },
    close() {
      observer.disconnect();
      pictures.close();
    },
  };
}
