// A camera's newest picture, kept current.

import { Problem, Unreachable } from "../api.js";
import { h } from "../dom.js";

const LEAST_PAUSE_MS = 900; // a camera of 25 frames a second is not fetched 25 times a second

/**
 * @param {Object} context as the views have it.
 * @param {string} stream
 * @returns {{element: HTMLElement, refresh: function(), tick: function(), close: function()}} `refresh` is called when
 *   there is a newer frame, `tick` when time has passed.
 */
export function createNewestPicture({ api, text, time }, stream) {
  const words = text.camera;
  const image = h("img", { alt: words.pictureOf(stream), hidden: true });
  const without = h("p", { class: "soft" }, words.pictureLoading);
  const at = h("span");
  const ago = h("span", { class: "soft" });
  const element = h("figure", { class: "newest panel" }, h("div", { class: "newest-frame" }, image, without),
    h("figcaption", {}, at, ago));
  const closing = new AbortController();
  let etag = null;
  let capturedMs = null;
  let wanted = false;
  let fetching = false;

  async function fetchOnce() {
    try {
      const picture = await api.picture(`v1/streams/${stream}/latest.jpg`, { etag, signal: closing.signal });
      if (picture !== null) show(picture);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      // Of an API that does not answer the page speaks as a whole, and the last picture stays.
      if (error instanceof Problem) showWithout(error.message);
    }
  }

  function show(picture) {
    URL.revokeObjectURL(image.src);
    ({ etag, capturedMs } = picture);
    image.src = URL.createObjectURL(picture.blob);
    image.hidden = false;
    without.hidden = true;
    tick();
  }

  function showWithout(why) {
    etag = null;
    image.hidden = true;
    without.hidden = false;
    without.textContent = why;
  }

  function tick() {
    if (capturedMs === null) return;
    at.textContent = time.at(capturedMs);
    ago.textContent = time.ago(capturedMs);
  }

  async function refresh() {
    wanted = true;
    if (fetching) return;
    fetching = true;
    while (wanted && !closing.signal.aborted) {
      wanted = false;
      await fetchOnce();
      await new Promise((resolve) => setTimeout(resolve, LEAST_PAUSE_MS));
    }
    fetching = false;
  }

  return {
    element,
    refresh,
    tick,
    close() {
      closing.abort();
      URL.revokeObjectURL(image.src);
    },
  };
}
