// The browser's storage, or where that is forbidden one that ends with the page.

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
