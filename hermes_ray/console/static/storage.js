// The browser's storage, or where that is forbidden one that ends with the page.

/**
 * The name of what belongs to the system that this page is of. Several may be at one address, each under a path of its
 * own behind a proxy, and share the storage: the key of one must not be sent to another.
 */
export const ofThisSystem = (name) => name + new URL(".", document.baseURI).pathname.replace(/\/$/, "");

/** @param {"localStorage"|"sessionStorage"} kind */
export function storageOf(kind) {
  try {
    return window[kind];
  } catch (error) {
    if (error.name !== "SecurityError") throw error;
    const kept = new Map();
    return {
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, value) => kept.set(name, value),
      removeItem: (name) => kept.delete(name),
    };
  }
}
