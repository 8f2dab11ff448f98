// Where in the map an answer's evidence is: a line through all tiers, with its number where there is room.

import { h } from "../dom.js";
import { cellOfFrame } from "./cells.js";

const PIN_WIDTH = 18;

/** @returns {{element: HTMLElement, show: function(Array, Array, Object, Object, number)}} */
export function createEvidenceLines() {
  const element = h("div", { class: "map-lines", "aria-hidden": "true" });
  return {
    element,
    /**
     * @param {{frame: number, captured_ms: ?number}[]} evidence heaviest first, as its pictures are numbered.
     * @param {import("./cells.js").Cell[]} cells
     * @param {import("./moments.js").Moments} moments
     * @param {import("./scale.js").Scale} scale
     * @param {number} width Of the map, pixels.
     */
    show(evidence, cells, moments, scale, width) {
      const pins = [];
      const lines = evidence.map(({ frame, captured_ms: capturedMs }, index) => {
        const x = placeOf(frame, capturedMs, cells, moments, scale, width);
        if (x === null) return null;
        const hasRoom = pins.every((pin) => Math.abs(pin - x) >= PIN_WIDTH);
        if (hasRoom) pins.push(x);
        const line = h("div", { class: "map-line" }, hasRoom ? h("b", {}, String(index + 1)) : null);
        line.style.left = `${x}px`;
        return line;
      });
      element.replaceChildren(...lines.filter((line) => line !== null));
    },
  };
}

/** The middle of a frame's cell; a frame that was forgotten since has its place by its time. */
function placeOf(frame, capturedMs, cells, moments, scale, width) {
  const cell = cells[cellOfFrame(cells, moments, frame)];
  if (cell !== undefined) return cell.x + cell.width / 2;
  if (capturedMs === null) return null;
  return Math.min(Math.max(scale.x(capturedMs), 0), width);
}
