// How fast counters grow: what a worker does per second, out of two looks at it.

const SMOOTHED = 0.4; // of the newest rate; frames come in batches

/** `take(workers, nowMs)` each look; `of(worker, counter)` is per second, null while unknown. */
export function createRates() {
  const before = new Map();

  const counters = (worker) => ({
    frames: worker.memory?.frames_applied,
    records: worker.ingest?.records,
    decoded: worker.ingest?.frames_decoded,
  });

  return {
    take(workers, nowMs) {
      for (const worker of workers) {
        const last = before.get(worker.name);
        const now = counters(worker);
        const rates = {};
        for (const [name, count] of Object.entries(now)) {
          const grown = count - (last?.counts[name] ?? NaN);
          if (!(grown >= 0)) continue; // unknown, or another process
          const rate = (1000 * grown) / (nowMs - last.nowMs);
          const known = last.rates[name];
          rates[name] = known === undefined ? rate : SMOOTHED * rate + (1 - SMOOTHED) * known;
        }
        before.set(worker.name, { counts: now, nowMs, rates });
      }
    },
    of: (worker, counter) => before.get(worker.name)?.rates[counter] ?? null,
  };
}
