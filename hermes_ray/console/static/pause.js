// Waiting that ends early when nobody waits any more.

/** @returns {Promise} fulfilled after so long, or as soon as the signal is aborted. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
