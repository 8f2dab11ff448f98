// Logarithmic or linear time; the visitor's choice is remembered.

import { h } from "../dom.js";
import { storageOf } from "../storage.js";

const NAME = "hermes.map.scale";
const KINDS = ["logarithmic", "linear"];

/**
 * @param {object} words of the map.
 * @param {function()} changed
 * @returns {{element: HTMLElement, kind: import("./scale.js").ScaleKind}}
 */
export function createScaleSwitch(words, changed, storage = storageOf("localStorage")) {
  const stored = storage.getItem(NAME);
  let kind = KINDS.includes(stored) ? stored : KINDS[0];

  function choose(event) {
    kind = event.target.value;
    storage.setItem(NAME, kind);
    changed();
  }

  const element = h("fieldset", { class: "map-scale" }, h("legend", { class: "visually-hidden" }, words.scale),
    KINDS.map((one) => h("label", {}, h("input", { type: "radio", name: "map-scale", value: one, checked: one === kind,
      onchange: choose }), h("span", {}, words[one]))));
  return {
    element,
    get kind() {
      return kind;
    },
  };
}
