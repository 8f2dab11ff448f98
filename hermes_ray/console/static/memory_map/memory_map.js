// The memory map: time from left to right, the tiers from top to bottom, and how much of every moment each still holds.

import { h } from "../dom.js";
import { createAxis } from "./axis.js";
import { createCard } from "./card.js";
import { cellAt, cellOfFrame, cellsOf, litCells } from "./cells.js";
import { drawLane } from "./drawing.js";
import { createEvidenceLines } from "./evidence_lines.js";
import { momentAt, momentsOf } from "./moments.js";
import { scaleOf } from "./scale.js";
import { createScaleSwitch } from "./scale_switch.js";
import { createStrip } from "./strip.js";
import { createTable } from "./table.js";

const LEAST_CELL = 3;
const REACH = 8;
const PAGE = 10;

/**
 * @param {object} context as the views have it.
 * @param {function(number): Promise<string>} pictureOf The address of a frame's picture.
 * @returns {{
 *   element: HTMLElement,
 *   show: function(object), // a map of the API
 *   light: function(?Array<{frame: number, captured_ms: ?number, weight: number}>), // evidence, null for none
 *   look: function(?number), // show the card of a frame, null to put it away
 *   forget: function(), // the stream began anew
 *   close: function()
 * }}
 */
export function createMemoryMap(context, pictureOf) {
  const { text, time } = context;
  const words = text.camera.map;
  const strip = createStrip(pictureOf, (isMissing) => plot.classList.toggle("without-pictures", isMissing));
  const axis = createAxis(context);
  const card = createCard(context, pictureOf);
  const table = createTable(context);
  const scaleSwitch = createScaleSwitch(words, redraw);
  const lines = createEvidenceLines();
  const cursor = h("div", { class: "map-cursor", "aria-hidden": "true", hidden: true });
  const overlay = h("div", { class: "map-overlay", role: "slider", tabindex: "0", "aria-label": words.slider,
    "aria-valuemin": 0, onpointerdown: point, onpointermove: point, onpointerleave: leave, onkeydown: step,
    onfocus: () => overlay.matches(":focus-visible") && showCursor(), onblur: hide });
  const over = h("div", { class: "map-over" }, lines.element, cursor, overlay, card.element);
  const plot = h("div", { class: "map-plot" }, h("div", { class: "map-label map-label-strip" }, words.strip),
    strip.element);
  const empty = h("p", { class: "soft map-empty" }, words.loading);
  const body = h("div", { hidden: true }, plot, table.element);
  const element = h("section", { class: "memory-map", "aria-labelledby": "map-title" },
    h("header", {}, h("h2", { id: "map-title" }, words.title), scaleSwitch.element),
    h("p", { class: "map-legend soft" }, words.legend.map((part, index) => (index % 2 ? h("b", {}, part) : part))),
    empty, body);
  const resizing = new ResizeObserver(redraw);
  const theme = new MutationObserver(redraw);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  resizing.observe(overlay);
  theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  dark.addEventListener("change", redraw);

  let lanes = [];
  let moments = null;
  let cells = [];
  let scale = null;
  let evidence = [];
  let chosen = null; // number of the frame that the cursor is on

  function buildLanes(tiers) {
    lanes = tiers.map((tier) => {
      const canvas = h("canvas", { class: `map-lane tier-${tier}`, "aria-hidden": "true" });
      const count = h("span", { class: "soft" });
      const remains = h("span", { class: "soft" });
      const label = h("div", { class: `map-label tier-${tier}` }, h("b", {}, words.tiers[tier].name),
        h("span", {}, words.tiers[tier].what), count, remains);
      return { tier, canvas, count, remains, label };
    });
    plot.replaceChildren(plot.firstChild, strip.element, ...lanes.flatMap(({ label, canvas }) => [label, canvas]),
      axis.element, over);
  }

  function redraw() {
    if (moments === null || overlay.clientWidth === 0) return;
    const width = overlay.clientWidth;
    const kind = scaleSwitch.kind;
    scale = scaleOf(moments, width, kind);
    cells = cellsOf(moments, scale, LEAST_CELL);
    const lit = litCells(evidence, cells, moments);
    lanes.forEach(({ canvas, count, remains }, index) => {
      const tier = moments.tiers[index];
      const style = getComputedStyle(canvas);
      const [lightUp, hatch] = ["--evidence", "--soft"].map((name) => style.getPropertyValue(name));
      const summary = tier.summaryEnd === null ? null : scale.x(tier.summaryEnd);
      drawLane(canvas, { cells, tier: index, summary, lit }, { bar: style.color, lit: lightUp, hatch });
      count.textContent = words.held(tier.held, tier.frames);
      remains.textContent = tier.summaryEnd === null ? "" : words.summarised(tier.summarised);
    });
    strip.show(moments, cells, width);
    axis.show(moments, scale, kind);
    lines.show(evidence, cells, moments, scale, width);
    overlay.setAttribute("aria-valuemax", cells.length - 1);
    keepCursor();
  }

  function point(event) {
    if (moments === null) return;
    const x = event.clientX - overlay.getBoundingClientRect().left;
    const index = cellAt(cells, x, REACH);
    if (index >= 0) choose(index);
    else {
      chosen = null;
      placeCursor(x);
      card.showForgotten(scale.time(x), x, overlay.clientWidth);
    }
  }

  function leave(event) {
    if (event.pointerType === "mouse" && document.activeElement !== overlay) hide();
  }

  function step(event) {
    const at = chosen === null ? cells.length - 1 : cellOfFrame(cells, moments, chosen);
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - PAGE,
      PageUp: at + PAGE, Home: 0, End: cells.length - 1 }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined) return;
    event.preventDefault();
    choose(Math.min(Math.max(to, 0), cells.length - 1));
  }

  function choose(index) {
    chosen = moments.frames[cells[index].best];
    showCursor();
  }

  function showCursor() {
    if (moments === null) return;
    const index = chosen === null ? cells.length - 1 : cellOfFrame(cells, moments, chosen);
    const cell = cells[index];
    const moment = momentAt(moments, chosen === null ? cell.best : moments.frames.indexOf(chosen));
    const x = cell.x + cell.width / 2;
    chosen = moment.frame;
    placeCursor(x);
    card.show(moment, moments.full, x, overlay.clientWidth);
    overlay.setAttribute("aria-valuenow", index);
    overlay.setAttribute("aria-valuetext", words.spoken(time.at(moment.time), time.span(moment.age),
      moment.tiers.map(({ tier, tokens }) => `${words.tiers[tier].name} ${words.kept(tokens, moments.full)}`)));
  }

  /** After the map has changed: the cursor stays with its moment, and goes with it. */
  function keepCursor() {
    if (card.element.hidden) {
      overlay.setAttribute("aria-valuenow", cells.length - 1);
      return;
    }
    if (chosen === null) return; // the card says that a place is forgotten
    if (cellOfFrame(cells, moments, chosen) >= 0) showCursor();
    else hide();
  }

  function placeCursor(x) {
    cursor.hidden = false;
    cursor.style.left = `${x}px`;
  }

  function hide() {
    chosen = null;
    cursor.hidden = true;
    card.hide();
  }

  return {
    element,
    show(map) {
      moments = momentsOf(map);
      body.hidden = moments === null;
      empty.hidden = moments !== null;
      if (moments === null) {
        empty.textContent = words.empty;
        return;
      }
      const tiers = moments.tiers.map(({ tier }) => tier);
      if (lanes.map(({ tier }) => tier).join() !== tiers.join()) buildLanes(tiers);
      table.show(moments);
      redraw();
    },
    light(newEvidence) {
      evidence = newEvidence ?? [];
      redraw();
    },
    look(frame) {
      if (frame === null) {
        hide();
        return;
      }
      const index = moments === null ? -1 : cellOfFrame(cells, moments, frame);
      if (index >= 0) {
        chosen = frame;
        showCursor();
      }
    },
    forget() {
      evidence = [];
      strip.forget();
      hide();
    },
    close() {
      resizing.disconnect();
      theme.disconnect();
      dark.removeEventListener("change", redraw);
      hide();
    },
  };
}
