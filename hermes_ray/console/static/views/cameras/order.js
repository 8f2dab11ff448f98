// Which cameras are shown, and what comes first.

export const STATES = ["live", "silent", "behind", "moving", "restoring", "failed"];
export const SORTS = ["name", "trouble", "lag", "newest", "event"];

const TROUBLE = { failed: 0, behind: 1, restoring: 2, moving: 3, silent: 4, live: 5 };
const names = new Intl.Collator(undefined, { numeric: true });

/** How many streams are in each state. */
export function counted(streams) {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
  for (const stream of streams) counts[stream.state] = (counts[stream.state] ?? 0) + 1;
  return counts;
}

/**
 * @param {Iterable<Object>} streams
 * @param {{search: string, states: Set<string>, sort: string}} wish no states: all. The search looks into names and labels.
 * @returns {string[]} ids, in order.
 */
export function chosen(streams, { search, states, sort }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return [...streams]
    .filter((stream) => states.size === 0 || states.has(stream.state))
    .filter((stream) => words.every((word) => describes(stream).includes(word)))
    .sort((a, b) => compare(sort, a, b) || names.compare(a.id, b.id))
    .map((stream) => stream.id);
}

function describes(stream) {
  const labels = Object.entries(stream.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return [stream.id, ...labels].join(" ").toLowerCase();
}

function compare(sort, a, b) {
  if (sort === "trouble") return (TROUBLE[a.state] ?? 0) - (TROUBLE[b.state] ?? 0);
  if (sort === "lag") return (b.lag_ms ?? -1) - (a.lag_ms ?? -1);
  if (sort === "newest") return (b.as_of_ms ?? -1) - (a.as_of_ms ?? -1);
  if (sort === "event") return (b.newest_event?.captured_ms ?? -1) - (a.newest_event?.captured_ms ?? -1);
  return 0;
}
