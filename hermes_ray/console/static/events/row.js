// One event: what was found out, of which camera, when, and what it looked like.

import { h, setText } from "../dom.js";

const MOST_PICTURES = 3;

/**
 * @param {Object} event as the API has it
 * @param {Object} context see app.js
 * @param {function(string): Promise<string>} picture the address of a picture, by its path
 * @param {boolean} isNew nobody has seen it in this browser
 */
export function createRow(event, { text, time }, picture, isNew) {
  const words = text.events;
  const pictured = event.evidence.filter((moment) => moment.thumbnail !== null).slice(0, MOST_PICTURES);
  const pictures = h("div", { class: "event-pictures" });
  const ago = h("span", { class: "soft" });
  const isJournal = event.kind === "journal";
  const element = h("li", { class: `event panel kind-${event.kind}${isNew ? " unseen" : ""}` },
    h("div", { class: "event-said" },
      h("div", { class: "event-line" },
        isNew && h("span", { class: "event-new" }, words.isNew),
        h("span", { class: "event-kind" }, h("span", { class: "dot" }), words.kind[event.kind] ?? event.kind),
        h("a", { class: "event-camera", href: `#/camera/${encodeURIComponent(event.stream)}` }, event.stream),
        isJournal ? null : h("span", { class: "soft mono event-rule" }, event.rule),
        h("span", { class: "event-time" },
          h("time", { datetime: event.captured, title: time.full(event.captured_ms) }, when()), " · ", ago)),
      isJournal ? null : h("p", { class: "soft" }, event.question),
      h("p", { class: "event-answer" }, h("span", {}, event.answer || words.nothingSaid), " ",
        event.probability !== null && h("span", { class: "soft", title: words.probability }, words.share(event.probability)))),
    pictured.length > 0 && pictures);
  for (const moment of pictured) {
    const at = time.at(moment.captured_ms);
    pictures.append(h("img", { alt: words.picture(event.stream, at), title: words.pictureTitle(at, moment.weight),
      width: 112, height: 84, decoding: "async" }));
  }
  let isAsked = false;

  function when() {
    const end = time.at(event.captured_ms);
    return isJournal && time.known(event.since_ms) ? words.between(time.at(event.since_ms), end) : end;
  }

  return {
    event,
    element,
    /** It is on the screen, or nearly: fetch its pictures, and say how long ago it was. */
    show() {
      setText(ago, time.ago(event.captured_ms));
      if (isAsked) return;
      isAsked = true;
      pictured.forEach(async ({ thumbnail }, at) => {
        const image = pictures.children[at];
        try {
          image.src = await picture(thumbnail);
        } catch (error) {
          if (error.name === "AbortError") return;
          isAsked = false; // the next look asks again
          image.title = words.noPicture(error.message);
        }
      });
    },
  };
}
