// The newest event that this browser has shown, kept over visits.

import { ofThisSystem, storageOf } from "../storage.js";

const NAME = ofThisSystem("hermes.events.seen");

/** @returns {{mark: function(): ?{id: string, capturedMs: number}, take: function(Object)}} `take` an event that is shown. */
export function createSeen(storage = storageOf("localStorage")) {
  function mark() {
    try {
      const kept = JSON.parse(storage.getItem(NAME));
      return typeof kept?.id === "string" && Number.isFinite(kept.capturedMs) ? kept : null;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return null; // of another program at the same address
    }
  }
  return {
    mark,
    take(event) {
      if (event.captured_ms < (mark()?.capturedMs ?? -Infinity)) return;
      storage.setItem(NAME, JSON.stringify({ id: event.id, capturedMs: event.captured_ms }));
    },
  };
}

/** Those of a list, the newest first, that came after the mark. Without a mark nothing is new: it is a first visit. */
export function unseenOf(events, mark) {
  if (mark === null) return [];
  const known = events.findIndex((event) => event.id === mark.id || event.captured_ms < mark.capturedMs);
  return known < 0 ? events : events.slice(0, known);
}
