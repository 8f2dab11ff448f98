// Pictures that are fetched with the key, a few at a time, and only while somebody can see them.

const MOST_AT_ONCE = 6; // as many as a browser has connections to one host (HTTP/1.1)
const EVERY_MS = 1000;

/**
 * Keeps the newest picture of each camera that is seen on the screen.
 * @param {Object} api
 * @param {function(string, ?Error)} failed told of a stream whose picture did not come, and why.
 */
export function createPictures(api, failed) {
  const shown = new Map(); // by stream: {image, etag, address, asOfMs, fetchedMs, wanted}
  const stopping = new AbortController();
  let running = 0;

  function next() {
    if (document.hidden) return; // a tab that nobody looks at costs the cameras nothing
    while (running < MOST_AT_ONCE) {
      const due = [...shown].find(([, one]) => one.wanted && !one.loading && performance.now() - one.fetchedMs >= EVERY_MS);
      if (due === undefined) return;
      load(...due);
    }
  }

  async function load(id, one) {
    one.loading = true;
    one.wanted = false;
    one.fetchedMs = performance.now();
    running += 1;
    try {
      const path = `v1/streams/${encodeURIComponent(id)}/latest.jpg`;
      const picture = await api.picture(path, { etag: one.etag, signal: stopping.signal });
      if (picture !== null && shown.get(id) === one) await put(one, picture);
      failed(id, null);
    } catch (error) {
      if (error.name === "AbortError") return;
      failed(id, error);
    } finally {
      one.loading = false;
      running -= 1;
      if (!stopping.signal.aborted) next();
    }
  }

  async function put(one, picture) {
    const address = URL.createObjectURL(picture.blob);
    const before = one.address;
    one.etag = picture.etag;
    one.address = address;
    one.image.src = address;
    try {
      await one.image.decode();
    } finally {
      if (before) URL.revokeObjectURL(before);
    }
  }

  const clock = setInterval(next, EVERY_MS / 4);

  return {
    /** A stream's picture is on the screen, in `image`; `asOfMs` names its newest frame. Call it with each new one. */
    see(id, image, asOfMs) {
      let one = shown.get(id);
      if (one === undefined) {
        one = { image, etag: null, address: null, asOfMs: null, fetchedMs: -Infinity, wanted: false, loading: false };
        shown.set(id, one);
      }
      one.image = image;
      if (one.asOfMs !== asOfMs) {
        one.asOfMs = asOfMs;
        one.wanted = true;
        next();
      }
    },
    /** Nobody sees it any more; the picture that it has stays. */
    leave(id) {
      const one = shown.get(id);
      if (one?.wanted) [one.wanted, one.asOfMs] = [false, null]; // so that it is wanted when it is seen again
    },
    /** The stream is gone. */
    forget(id) {
      const one = shown.get(id);
      if (one?.address) URL.revokeObjectURL(one.address);
      shown.delete(id);
    },
    /** Fetch all that are seen again, as after a lost connection. */
    again() {
      for (const one of shown.values()) one.asOfMs = null;
    },
    close() {
      clearInterval(clock);
      stopping.abort();
      for (const one of shown.values()) if (one.address) URL.revokeObjectURL(one.address);
      shown.clear();
    },
  };
}
