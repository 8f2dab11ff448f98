// Light, dark, or as the system has it.

import { storageOf } from "./storage.js";

const NAME = "hermes.theme";
const THEMES = ["system", "light", "dark"];

/** The switch's state: `current`, and `next()`, which returns the theme that follows. */
export function createTheme(storage = storageOf("localStorage"), page = document.documentElement) {
  function show(theme) {
    if (theme === "system") page.removeAttribute("data-theme");
    else page.setAttribute("data-theme", theme);
  }
  const stored = storage.getItem(NAME);
  let current = THEMES.includes(stored) ? stored : "system";
  show(current);
  return {
    get current() {
      return current;
    },
    next() {
      current = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
      storage.setItem(NAME, current);
      show(current);
      return current;
    },
  };
}
