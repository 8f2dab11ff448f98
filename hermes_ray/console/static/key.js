// The visitor's API key. It lives as long as the tab does, and nowhere else.

import { ofThisSystem, storageOf } from "./storage.js";

const NAME = ofThisSystem("hermes.key");

/** Where the key is kept: `current` (a string or null), `use(key)` and `forget()`. */
export function createKey(storage = storageOf("sessionStorage")) {
  return {
    get current() {
      return storage.getItem(NAME);
    },
    use(key) {
      storage.setItem(NAME, key.trim());
    },
    forget() {
      storage.removeItem(NAME);
    },
  };
}
