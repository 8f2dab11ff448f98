// Server-sent events out of a stream of bytes (HTML Living Standard, section 9.2.6).

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {function()} alive called whenever something comes, comments too: they say that the connection lives.
 * @param {function(string)} placed called with each `id`, after the event that it belongs to was taken.
 * @yields {{event: string, data: any}} data parsed as JSON. Comments are left out.
 */
export async function* readEvents(stream, alive = () => {}, placed = () => {}) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      pending += value.replaceAll("\r", "");
      const blocks = pending.split("\n\n");
      pending = blocks.pop();
      for (const block of blocks) {
        const { id, ...event } = parsed(block);
        if (event.data !== undefined) yield event;
        if (id !== null) placed(id);
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // the connection may have ended by itself
  }
}

function parsed(block) {
  let event = "message";
  let id = null;
  const data = [];
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    const field = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
  }
  return { event, id, data: data.length === 0 ? undefined : JSON.parse(data.join("\n")) };
}
