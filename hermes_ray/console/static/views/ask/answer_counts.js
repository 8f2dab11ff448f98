// Equal answers of several cameras, counted.

/**
 * @param {Iterable<{stream: string, answer: ?Object}>} results
 * @returns {{answer: string, streams: string[]}[]} the most frequent answer first; equal are those that differ in case,
 *   spaces and a full stop only.
 */
export function countAnswers(results) {
  const groups = new Map();
  for (const { stream, answer } of results) {
    if (answer === null) continue;
    const key = plain(answer.answer);
    if (!groups.has(key)) groups.set(key, { answer: answer.answer.trim(), streams: [] });
    groups.get(key).streams.push(stream);
  }
  return [...groups.values()].sort((one, other) => other.streams.length - one.streams.length);
}

function plain(text) {
  return text.toLowerCase().replace(/\s+/g, " ").replace(/\s*\.\s*$/, "").trim();
}
