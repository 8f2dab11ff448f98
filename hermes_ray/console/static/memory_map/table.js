// The map in words and numbers, for those who cannot or do not want to look at it.

import { h } from "../dom.js";
import { outline } from "./moments.js";

/** @param {object} context as the views have it. */
export function createTable({ text, time }) {
  const words = text.camera.map;
  const table = h("table");
  const element = h("details", { class: "map-table" }, h("summary", {}, words.table.open), table);
  let moments = null;
  element.addEventListener("toggle", fill);

  function fill() {
    if (!element.open || moments === null) return;
    const head = [words.table.age, words.table.moments, ...moments.tiers.map(({ tier }) => words.tiers[tier].name)];
    const body = outline(moments).map(({ from, to, frames, tokens }) => [
      words.table.row(from === 0 ? null : time.span(from), to === Infinity ? null : time.span(to)),
      words.number(frames), ...tokens.map(words.number),
    ]);
    const summaries = moments.tiers.map(({ summarised }) => words.number(summarised));
    table.replaceChildren(
      h("caption", { class: "visually-hidden" }, words.table.caption),
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, [...body, [words.table.summary, "", ...summaries]].map(([name, ...cells]) =>
        h("tr", {}, h("th", { scope: "row" }, name), cells.map((cell) => h("td", { class: "number" }, cell))))),
    );
  }

  return {
    element,
    show(newMoments) {
      moments = newMoments;
      fill();
    },
  };
}
