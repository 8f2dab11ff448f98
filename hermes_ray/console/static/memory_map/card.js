// What is shown of the moment under the pointer: its picture, its time, what is kept of it.

import { Problem, Unreachable } from "../api.js";
import { h } from "../dom.js";
import { barHeight } from "./cells.js";

const SETTLE_MS = 60; // a pointer that sweeps over the map asks for no pictures

/**
 * @param {object} context as the views have it.
 * @param {function(number): Promise<string>} pictureOf The address of a frame's picture.
 */
export function createCard({ text, time }, pictureOf) {
  const words = text.camera.map;
  const picture = h("img", { alt: "" });
  const why = h("p", { class: "card-why" });
  const frame = h("div", { class: "card-picture" }, picture, why);
  const title = h("p", { class: "card-title" });
  const age = h("p", { class: "soft" });
  const rows = h("dl", { class: "card-tiers" });
  const element = h("div", { class: "map-card panel", "aria-hidden": "true", hidden: true }, frame, title, age, rows);
  let shown = null;
  let settling = null;

  async function load(number) {
    try {
      const address = await pictureOf(number);
      if (shown === number) picture.src = address;
    } catch (error) {
      if (shown === number) why.textContent = reasonOf(error);
    }
  }

  function reasonOf(error) {
    if (error instanceof Problem) return error.message;
    if (error instanceof Unreachable) return words.noPicture;
    if (error.name === "AbortError") return "";
    throw error;
  }

  function place(x, width) {
    element.hidden = false;
    const half = element.offsetWidth / 2;
    element.style.left = `${Math.min(Math.max(x, half), Math.max(half, width - half))}px`;
  }

  function rowOf({ tier, tokens }, full) {
    const bar = h("i");
    bar.style.setProperty("--kept", `${100 * barHeight(tokens / full)}%`);
    return h("div", { class: `tier-${tier}` }, h("dt", {}, words.tiers[tier].name),
      h("dd", {}, h("span", { class: "card-bar" }, bar), words.kept(tokens, full)));
  }

  return {
    element,
    /** A moment at a place of the map. */
    show(moment, full, x, width) {
      if (shown !== moment.frame) {
        shown = moment.frame;
        picture.removeAttribute("src");
        why.textContent = "";
        clearTimeout(settling);
        settling = setTimeout(load, SETTLE_MS, moment.frame);
      }
      frame.hidden = false;
      title.textContent = time.at(moment.time);
      age.textContent = words.age(time.span(moment.age));
      rows.replaceChildren(...moment.tiers.map((tier) => rowOf(tier, full)));
      place(x, width);
    },
    /** A place of which nothing is left. */
    showForgotten(at, x, width) {
      shown = null;
      clearTimeout(settling);
      frame.hidden = true;
      title.textContent = time.at(at);
      age.textContent = words.forgotten;
      rows.replaceChildren();
      place(x, width);
    },
    hide() {
      shown = null;
      clearTimeout(settling);
      element.hidden = true;
    },
  };
}
