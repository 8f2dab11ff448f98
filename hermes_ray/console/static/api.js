// The HTTP API as functions. Every call takes an AbortSignal; what fails is a Problem or Unreachable.

import { readEvents } from "./sse.js";

/** The API answered with an error: problem+json (RFC 9457). Decide by `code`. */
export class Problem extends Error {
  constructor(status, body, retryAfterS = null, asksForKey = false) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.code = body.code ?? "unknown";
    this.title = body.title ?? "";
    this.requestId = body.request_id ?? null;
    this.retryAfterS = retryAfterS;
    /** A key is missing, wrong or may not do this; another one could help. */
    this.needsKey = asksForKey;
  }
}

/** Nobody answered, or the answer broke off. */
export class Unreachable extends Error {
  constructor(cause) {
    super("the API does not answer", { cause });
    this.name = "Unreachable";
  }
}

/**
 * @param {{current: ?string}} key
 * @param {string} base address of the API's root; by default where this page is.
 */
export function createApi(key, base = new URL(".", document.baseURI).href) {
  async function request(method, path, { query, body, headers = {}, signal } = {}) {
    const url = new URL(path.replace(/^\//, ""), base);
    for (const [name, value] of Object.entries(query ?? {})) {
      for (const one of [value].flat()) if (one !== null && one !== undefined) url.searchParams.append(name, one);
    }
    const sent = { Accept: "application/json", ...headers };
    if (key.current) sent.Authorization = `Bearer ${key.current}`;
    if (body !== undefined) sent["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(url, {
        method,
        headers: sent,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
        credentials: "omit",
      });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Unreachable(error);
    }
    if (!response.ok && response.status !== 304) throw await problemOf(response);
    return response;
  }

  async function json(method, path, options) {
    const response = await request(method, path, options);
    return response.status === 204 ? null : whole(response.json());
  }

  return {
    /** JSON of a GET. */
    get: (path, options) => json("GET", path, options),
    /** JSON of a POST, PATCH or DELETE; null where the API answers without content. */
    post: (path, body, options) => json("POST", path, { ...options, body }),
    patch: (path, body, options) => json("PATCH", path, { ...options, body }),
    delete: (path, options) => json("DELETE", path, options),

    /**
     * A picture. `etag` is of the one that is shown now.
     * @returns {Promise<?{blob: Blob, etag: string, frame: number, capturedMs: number}>} null: it is that one still.
     */
    async picture(path, { etag, signal } = {}) {
      const headers = etag ? { "If-None-Match": etag } : {};
      const response = await request("GET", path, { headers: { Accept: "image/jpeg", ...headers }, signal });
      if (response.status === 304) return null;
      return {
        blob: await whole(response.blob()),
        etag: response.headers.get("ETag"),
        frame: Number(response.headers.get("X-Frame")),
        capturedMs: Number(response.headers.get("X-Captured-Ms")),
      };
    },

    /**
     * Server-sent events, each as `{event, data}` with parsed data, until the API ends them. EventSource cannot send a
     * key, so they are read from a fetch.
     * @param {string} path
     * @param {{query: ?Object, body: ?Object, signal: AbortSignal, alive: ?function(), place: ?string,
     *     placed: ?function(string)}} options with a body it is a POST; `alive` is called whenever something comes, if
     *     only a comment; `place` is the last id that `placed` was called with, to go on behind it.
     */
    async *events(path, { query, body, signal, alive, place, placed } = {}) {
      const method = body === undefined ? "GET" : "POST";
      const headers = { Accept: "text/event-stream", ...(place ? { "Last-Event-ID": place } : {}) };
      const response = await request(method, path, { query, body, headers, signal });
      try {
        yield* readEvents(response.body, alive, placed);
      } catch (error) {
        throw error.name === "AbortError" ? error : new Unreachable(error);
      }
    },
  };
}

async function whole(body) {
  try {
    return await body;
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable(error);
  }
}

async function problemOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After"));
  let body = {};
  if ((response.headers.get("Content-Type") ?? "").startsWith("application/problem+json")) {
    body = await whole(response.json());
  }
  // The challenge (RFC 6750, section 3) tells a missing right from what no key can change.
  return new Problem(response.status, body, retryAfter || null, response.headers.has("WWW-Authenticate"));
}
