import { h } from "../dom.js";

export function mount(root, context) {
  root.append(h("h1", {}, context.text.system.title ?? "system"));
  return () => {};
}
