// A question that must be answered before something is done that others notice.

import { h } from "./dom.js";

/**
 * @param {{title: string, body: string, yes: string, no: string, danger: boolean}} words
 * @param {AbortSignal} signal the view is left: as if the answer were no.
 * @returns {Promise<boolean>} whether the visitor agreed. Escape is no; the button that says no has the focus.
 */
export function confirmed({ title, body, yes, no, danger }, signal) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "dialog-title" }, title), h("p", {}, body),
        h("div", { class: "buttons" }, h("button", { value: "no", autofocus: true }, no),
          h("button", { value: "yes", class: danger ? "danger" : "primary" }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    signal.addEventListener("abort", () => dialog.close("no"), { once: true });
    document.body.append(dialog);
    dialog.showModal();
  });
}
