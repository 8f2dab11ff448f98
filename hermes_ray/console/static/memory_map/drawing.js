// One lane of the map, on a canvas.

import { barHeight } from "./cells.js";

const SUMMARY_HEIGHT = 9;
const HATCH = 5;
const PALEST = 0.3;
const DIMMED = 0.35;
const FAINTEST_LIT = 0.6;
const GAP_FROM = 4; // pixels of a cell's width: narrower ones stand close

/**
 * Draw what one tier holds of every moment: bars from the floor, full and dark where a moment is whole, low and pale
 * where little is left; hatched below them, how far back the summary reaches.
 *
 * @param {HTMLCanvasElement} canvas As large as its element, whatever the screen's density.
 * @param {object} lane
 * @param {import("./cells.js").Cell[]} lane.cells
 * @param {number} lane.tier Place of the tier among the shares.
 * @param {number|null} lane.summary Right end of the summary, pixels; null: the tier has none.
 * @param {Map<number, number>} lane.lit By index of a cell, how much of an answer rests on it, 0 to 1; if any, all others
 *   are dimmed.
 * @param {{bar: string, lit: string, hatch: string}} colours
 */
export function drawLane(canvas, { cells, tier, summary, lit }, colours) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  const pen = canvas.getContext("2d");
  pen.scale(density, density);
  const floor = height - (summary === null ? 0 : SUMMARY_HEIGHT + 2);
  if (summary !== null) drawSummary(pen, Math.max(summary, SUMMARY_HEIGHT), height, colours.hatch);
  cells.forEach((cell, index) => {
    const share = cell.shares[tier];
    if (share <= 0) return;
    const strength = barHeight(share);
    const tall = Math.max(2, strength * (floor - 2));
    const weight = lit.get(index);
    pen.fillStyle = weight === undefined ? colours.bar : colours.lit;
    const plain = shade(PALEST, strength) * (lit.size > 0 ? DIMMED : 1);
    pen.globalAlpha = weight === undefined ? plain : shade(FAINTEST_LIT, weight);
    pen.fillRect(cell.x, floor - tall, cell.width - (cell.width >= GAP_FROM ? 1 : 0), tall);
  });
}

function shade(least, strength) {
  return least + (1 - least) * strength;
}

function drawSummary(pen, width, height, colour) {
  pen.save();
  pen.beginPath();
  pen.rect(0, height - SUMMARY_HEIGHT, width, SUMMARY_HEIGHT);
  pen.clip();
  pen.strokeStyle = colour;
  pen.lineWidth = 1.25;
  pen.beginPath();
  for (let x = -SUMMARY_HEIGHT; x < width; x += HATCH) {
    pen.moveTo(x, height);
    pen.lineTo(x + SUMMARY_HEIGHT, height - SUMMARY_HEIGHT);
  }
  pen.stroke();
  pen.restore();
}
