// A camera's newest picture, kept current.

import { Problem } from "../api.js";
import { h } from "../dom.js";
import { createPictures } from "../pictures.js";

/**
 * @param {Object} context as the views have it.
 * @param {string} stream
 * @returns {{element: HTMLElement, refresh: function(Object), tick: function(Object), close: function()}} Both are given
 *   what an update says of the stream: `refresh` when there is a newer frame, `tick` when time has passed.
 */
export function createNewestPicture({ api, text, time, report }, stream) {
  const words = text.camera;
  const image = h("img", { alt: words.pictureOf(stream), hidden: true });
  const without = h("p", {}, words.pictureLoading);
  const at = h("span");
  const ago = h("span", { class: "soft" });
  const element = h("figure", { class: "newest panel" }, h("div", { class: "newest-frame" }, image, without),
    h("figcaption", {}, at, ago));
  const pictures = createPictures(api, came);

  function came(_stream, error) {
    if (error !== null) report(error);
    // Of an API that does not answer the page speaks as a whole, and the last picture stays.
    if (error !== null && !(error instanceof Problem)) return;
    image.hidden = error !== null;
    without.hidden = error === null;
    without.textContent = error?.message ?? "";
  }

  function tick(status) {
    at.textContent = time.at(status.as_of_ms);
    ago.textContent = time.ago(status.as_of_ms);
  }

  return {
    element,
    refresh(status) {
      pictures.see(stream, image, status.as_of_ms);
      tick(status);
    },
    tick,
    close: pictures.close,
  };
}
