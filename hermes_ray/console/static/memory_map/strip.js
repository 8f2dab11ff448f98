// A strip of small pictures above the map: what the best-kept moment of each place looked like, as faint as it is kept.

import { Problem, Unreachable } from "../api.js";
import { h } from "../dom.js";
import { barHeight, filmStrip } from "./cells.js";

const PLACE_WIDTH = 84;

/**
 * @param {function(number): Promise<string>} pictureOf The address of a frame's picture.
 * @param {function(boolean)} missing Told whether there is no picture at all.
 */
export function createStrip(pictureOf, missing) {
  const element = h("div", { class: "map-strip", "aria-hidden": "true" });
  const places = [];

  async function load(place, frame) {
    try {
      const address = await pictureOf(frame);
      if (place.frame !== frame) return;
      place.picture.src = address;
      show(place, true);
    } catch (error) {
      // The card says why there is none.
      if (!(error instanceof Problem || error instanceof Unreachable || error.name === "AbortError")) throw error;
      if (place.frame === frame) show(place, false);
    }
  }

  function show(place, hasPicture) {
    place.picture.hidden = !hasPicture;
    place.isMissing = !hasPicture;
    missing(places.every(({ frame, isMissing }) => isMissing || frame === null));
  }

  function fill(place, cell, moments) {
    const frame = cell === null ? null : moments.frames[cell.best];
    if (cell !== null) place.picture.style.setProperty("--kept", barHeight(Math.max(...cell.shares)).toFixed(2));
    if (place.frame === frame) return;
    place.frame = frame;
    place.isMissing = false;
    if (frame === null) place.picture.hidden = true;
    else load(place, frame);
  }

  return {
    element,
    show(moments, cells, width) {
      const count = Math.max(1, Math.floor(width / PLACE_WIDTH));
      while (places.length < count) {
        const picture = h("img", { alt: "", hidden: true });
        places.push({ picture, box: h("div", {}, picture), frame: null, isMissing: false });
        element.append(places[places.length - 1].box);
      }
      while (places.length > count) places.pop().box.remove();
      const shown = new Set(places.filter(({ isMissing }) => !isMissing).map(({ frame }) => frame));
      const chosen = filmStrip(cells, width, count, ({ best }) => shown.has(moments.frames[best]));
      chosen.forEach((cell, index) => fill(places[index], cell, moments));
    },
    /** The stream began anew: its frame numbers mean other pictures. */
    forget() {
      for (const place of places) place.frame = null;
    },
  };
}
