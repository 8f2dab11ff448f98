// The columns of the map: one for each moment, or for several where they would be too narrow to see.

/**
 * @typedef {object} Cell
 * @property {number} x Left edge, pixels.
 * @property {number} width Pixels.
 * @property {number} first Index of its first frame in the moments.
 * @property {number} last Index of its last.
 * @property {number} best Index of the one that most is held of.
 * @property {number[]} shares Tier by tier, what the tier holds of its best-kept frame, 0 to 1.
 */

const STAYS = 1.3;

/**
 * Lay out moments from left to right. Cells never overlap, and each is `leastWidth` wide at least; a place that no
 * cell covers is forgotten.
 *
 * @param {import("./moments.js").Moments} moments
 * @param {import("./scale.js").Scale} scale
 * @param {number} leastWidth Pixels.
 * @returns {Cell[]}
 */
export function cellsOf(moments, scale, leastWidth) {
  const { times, spacing, end } = moments;
  const rightmost = scale.x(end) - leastWidth;
  const cells = [];
  let cell = null;
  for (let index = 0; index < times.length; index += 1) {
    const x = Math.min(scale.x(times[index]), rightmost);
    const until = scale.x(Math.min(times[index] + spacing, times[index + 1] ?? end));
    if (cell === null || x >= cell.x + leastWidth) {
      if (cell !== null) cell.width = Math.min(cell.width, x - cell.x);
      cell = newCell(x, index, moments);
      cells.push(cell);
    } else {
      join(cell, index, moments);
    }
    cell.width = Math.max(until - cell.x, leastWidth);
  }
  return cells;
}

function newCell(x, index, moments) {
  return { x, width: 0, first: index, last: index, best: index, shares: sharesOf(moments, index) };
}

function join(cell, index, moments) {
  const shares = sharesOf(moments, index);
  if (sum(shares) > sum(sharesOf(moments, cell.best))) cell.best = index;
  cell.shares = cell.shares.map((share, tier) => Math.max(share, shares[tier]));
  cell.last = index;
}

function sharesOf({ tiers, full }, index) {
  return tiers.map(({ tokens }) => (full > 0 ? tokens[index] / full : 0));
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * The cell at a place.
 *
 * @param {Cell[]} cells From left to right.
 * @param {number} x Pixels.
 * @param {number} reach How far beside a cell still counts, pixels.
 * @returns {number} Its index, -1 if none is within reach.
 */
export function cellAt(cells, x, reach) {
  const after = firstBehind(cells, x);
  const beside = [after - 1, after].filter((index) => index >= 0 && index < cells.length);
  const distances = beside.map((index) => distance(cells[index], x));
  const nearest = distances.indexOf(Math.min(...distances));
  return nearest >= 0 && distances[nearest] <= reach ? beside[nearest] : -1;
}

/** Index of the first cell that begins behind a place. */
function firstBehind(cells, x) {
  let [low, high] = [0, cells.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cells[middle].x > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

function distance(cell, x) {
  return Math.max(cell.x - x, x - (cell.x + cell.width), 0);
}

/**
 * The cell of a frame.
 *
 * @param {Cell[]} cells
 * @param {import("./moments.js").Moments} moments
 * @param {number} frame Its number.
 * @returns {number} The cell's index, -1 if the frame is forgotten.
 */
export function cellOfFrame(cells, moments, frame) {
  const index = moments.frames.indexOf(frame);
  return index < 0 ? -1 : cells.findIndex(({ first, last }) => first <= index && index <= last);
}

/**
 * The cells that an answer rests on.
 *
 * @param {{frame: number, weight: number}[]} evidence Forgotten frames among them are left out.
 * @param {Cell[]} cells
 * @param {import("./moments.js").Moments} moments
 * @returns {Map<number, number>} By index of a cell the weight of its heaviest frame, as a share of the heaviest of all.
 */
export function litCells(evidence, cells, moments) {
  const heaviest = Math.max(...evidence.map(({ weight }) => weight));
  const lit = new Map();
  for (const { frame, weight } of evidence) {
    const index = cellOfFrame(cells, moments, frame);
    if (index >= 0) lit.set(index, Math.max(lit.get(index) ?? 0, weight / heaviest));
  }
  return lit;
}

/**
 * The moment to show for each of several places of the same width, side by side: of those in it the one that most is
 * held of, the newest of equals.
 *
 * @param {Cell[]} cells
 * @param {number} width Of all, pixels.
 * @param {number} places How many.
 * @param {function(Cell): boolean} [isShown] Whether a cell's moment is shown already: it stays while nothing near it is
 *   kept much better, so that a live map does not flicker.
 * @returns {(Cell|null)[]} Null where everything is forgotten.
 */
export function filmStrip(cells, width, places, isShown = () => false) {
  const worth = (cell) => sum(cell.shares) * (isShown(cell) ? STAYS : 1);
  const strip = Array(places).fill(null);
  for (const cell of cells) {
    const place = Math.min(places - 1, Math.max(0, Math.floor(((cell.x + cell.width / 2) / width) * places)));
    if (strip[place] === null || worth(cell) >= worth(strip[place])) strip[place] = cell;
  }
  return strip;
}

/**
 * How high a bar is for a share, 0 to 1: its root, so that one token in two hundred can be seen.
 *
 * @param {number} share 0 to 1.
 */
export function barHeight(share) {
  return Math.sqrt(Math.min(1, share));
}
