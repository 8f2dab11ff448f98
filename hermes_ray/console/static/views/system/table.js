// A table whose rows stay the same elements while their values change: what is open or focused remains so.

import { h, setText } from "../../dom.js";

/**
 * @param {string} label
 * @param {Array<{title: string, number: ?boolean, value: function(Object): (string|null), create: ?function(): {element: Node, show: function(Object)}}>}
 *     columns `value` is a cell's text; `create` makes a cell that shows itself.
 */
export function createTable(label, columns) {
  const body = h("tbody");
  const rows = new Map();
  const element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h("table", {}, h("thead", {}, h("tr", {}, columns.map(({ title, number }) =>
      h("th", { scope: "col", class: number ? "number" : null }, title)))), body));

  function created() {
    const cells = columns.map(({ create, value, number }, at) => {
      const cell = h(at === 0 ? "th" : "td", { class: number ? "number" : null, scope: at === 0 ? "row" : null });
      if (create === undefined) return { cell, show: (one) => setText(cell, value(one) ?? "–") };
      const made = create();
      cell.append(made.element);
      return { cell, show: made.show };
    });
    return { element: h("tr", {}, cells.map(({ cell }) => cell)), show: (one) => cells.forEach(({ show }) => show(one)) };
  }

  return {
    element,
    /** Show these workers, in this order. */
    show(workers) {
      for (const worker of workers) {
        if (!rows.has(worker.name)) rows.set(worker.name, created());
        const row = rows.get(worker.name);
        row.show(worker);
        if (row.element.parentNode === null) body.append(row.element);
      }
      for (const [name, row] of rows) {
        if (workers.some((worker) => worker.name === name)) continue;
        row.element.remove();
        rows.delete(name);
      }
    },
  };
}
