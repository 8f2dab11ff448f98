// Pictures of frames, fetched once each: with the visitor's key, which an <img> cannot send.

const MOST = 240;

/**
 * @param {Object} api
 * @returns {{get: function(string): Promise<string>, forget: function(), close: function()}} `get` is the address of a
 *   picture for an <img>, given its path in the API; it fails as the API does. `forget` is for a stream that begins anew
 *   and counts its frames from 0 again. `close` ends what is under way besides.
 */
export function createFramePictures(api) {
  const kept = new Map(); // path to a promise of an object URL; the least recently wanted first
  const closing = new AbortController();

  async function fetched(path) {
    const { blob } = await api.picture(path, { signal: closing.signal });
    return URL.createObjectURL(blob);
  }

  function drop(path) {
    const picture = kept.get(path);
    kept.delete(path);
    picture.then(URL.revokeObjectURL, () => {}); // whoever asked for it was told
  }

  function forget() {
    for (const path of [...kept.keys()]) drop(path);
  }

  return {
    get(path) {
      const picture = kept.get(path) ?? fetched(path);
      kept.delete(path);
      kept.set(path, picture);
      picture.catch(() => kept.get(path) === picture && kept.delete(path)); // the next look asks again
      if (kept.size > MOST) drop(kept.keys().next().value);
      return picture;
    },
    forget,
    close() {
      closing.abort();
      forget();
    },
  };
}
