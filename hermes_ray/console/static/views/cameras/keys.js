// Arrow keys in a grid of links.

/** Moves the focus to the first link of the neighbour that an arrow key, Home or End names. */
export function moveFocus(event, grid) {
  const cells = [...grid.children];
  const at = cells.indexOf(document.activeElement.closest(".grid > *"));
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const to = {
    ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: cells.length - 1,
  }[event.key];
  if (to === undefined || cells[to] === undefined) return;
  event.preventDefault();
  cells[to].querySelector("a").focus();
}
