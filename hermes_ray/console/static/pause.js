// Waiting that ends early when nobody waits any more.

/** @returns {Promise} fulfilled after so long, or as soon as the signal is aborted. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });

    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end); // the signal may live as long as the page
      resolve();
    }
  });
}
