// Arrow keys in a grid of links.

/** Moves the focus to the neighbour that an arrow key, Home or End names. */
export function moveFocus(event, grid) {
  const links = [...grid.children];
  const at = links.indexOf(document.activeElement);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const to = {
    ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: links.length - 1,
  }[event.key];
  if (to === undefined || links[to] === undefined) return;
  event.preventDefault();
  links[to].focus();
}
