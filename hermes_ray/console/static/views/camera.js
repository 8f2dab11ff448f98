// One camera: its picture, questions to it, and what it remembers.

import { createConversation } from "../asking/conversation.js";
import { createHead } from "../camera/head.js";
import { createNewestPicture } from "../camera/newest_picture.js";
import { createRemembered } from "../camera/remembered.js";
import { h } from "../dom.js";
import { createFramePictures } from "../frame_pictures.js";

const TICK_MS = 1000;

/** @returns {function()} ends the view. */
export function mount(root, context, { id }) {
  const { updates, text } = context;
  const words = text.camera;
  const head = createHead(context, id);
  const notice = h("section", { class: "notice", role: "status", hidden: true });
  let view = null;
  let framesSeen = -1;
  root.append(head.element, notice);

  function open() {
    const pictures = createFramePictures(context.api);
    const newest = createNewestPicture(context, id);
    const remembered = createRemembered(context, id, pictures.get);
    const conversation = createConversation(context, id, pictures.get, remembered);
    const element = h("div", { class: "one-camera" }, newest.element, conversation.element, remembered.element);
    root.append(element);
    return {
      refresh(status) {
        newest.refresh(status);
        remembered.refresh();
      },
      tick: newest.tick,
      forget() {
        pictures.forget();
        remembered.forget();
      },
      close() {
        for (const part of [newest, remembered, conversation, pictures]) part.close();
        element.remove();
      },
    };
  }

  function show() {
    const status = updates.streams.get(id);
    const isKnown = status !== undefined;
    head.element.hidden = !isKnown;
    notice.hidden = isKnown;
    if (!isKnown) {
      view?.close();
      view = null;
      framesSeen = -1;
      const isLoading = updates.connection.phase !== "live";
      notice.replaceChildren(h("h1", {}, isLoading ? words.loading(id) : words.unknown(id)),
        isLoading ? null : h("p", {}, words.unknownWhy, " ", h("a", { href: "#/" }, words.all)));
      return;
    }
    head.show(status);
    view ??= open();
    if (status.frames_seen < framesSeen) view.forget(); // it was reset: its frames are counted anew
    if (status.frames_seen !== framesSeen && !document.hidden) {
      framesSeen = status.frames_seen;
      view.refresh(status);
    }
  }

  function tick() {
    const status = updates.streams.get(id);
    if (status === undefined) return;
    head.show(status);
    view?.tick(status);
  }

  const unsubscribe = updates.subscribe(({ streams, events, connection }) => (connection || events || streams?.has(id)) && show());
  const ticking = setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", show);
  show();
  return () => {
    unsubscribe();
    clearInterval(ticking);
    document.removeEventListener("visibilitychange", show);
    view?.close();
  };
}
