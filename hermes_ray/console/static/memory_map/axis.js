// The time below the map: round marks, and where it begins and ends.

import { h } from "../dom.js";
import { ticksOf } from "./scale.js";

const LEAST_APART = 64;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/**
 * @param {object} context as the views have it.
 * @returns {{element: HTMLElement, show: function(import("./moments.js").Moments, import("./scale.js").Scale, string)}}
 */
export function createAxis({ text, time }) {
  const words = text.camera.map;
  const marks = h("div", { class: "map-marks" });
  const begin = h("span");
  const newest = h("span");
  const element = h("div", { class: "map-axis", "aria-hidden": "true" },
    marks, h("div", { class: "map-ends" }, begin, newest));

  function markOf({ x, time: at, age, step }, before) {
    const label = age === null ? clockLabel(at, step, before) : words.before(time.span(age));
    const mark = h("span", { class: "map-mark" }, label);
    mark.style.left = `${x}px`;
    return mark;
  }

  return {
    element,
    show(moments, scale, kind) {
      const ticks = moments.timed ? ticksOf(moments, scale, kind, LEAST_APART) : [];
      marks.replaceChildren(...ticks.map((tick, index) => markOf(tick, ticks[index - 1]?.time)));
      const newestTime = moments.end - moments.spacing;
      begin.textContent = moments.timed ? words.begin(time.at(moments.begin), moments.beginEstimated) : words.untimed;
      newest.textContent = words.newest(time.at(newestTime));
    },
  };
}

/** The time of a mark, as exact as marks are apart; a new day is named where it begins. */
function clockLabel(at, step, before) {
  const language = document.documentElement.lang;
  const day = () => new Date(at).toLocaleDateString(language, { day: "numeric", month: "short" });
  if (step >= DAY) return day();
  const seconds = step < MINUTE ? { second: "2-digit" } : {};
  const clock = new Date(at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false, ...seconds });
  const isNewDay = before !== undefined && new Date(before).toDateString() !== new Date(at).toDateString();
  return isNewDay ? day() : clock;
}
