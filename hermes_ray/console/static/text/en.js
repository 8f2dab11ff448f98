// Everything the console says, in English. A block per view; what depends on a value is a function.

const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

const number = (value) => new Intl.NumberFormat("en").format(value);
const compact = (value) => new Intl.NumberFormat("en", { notation: "compact" }).format(value);

export const language = "en";

export const text = {
  shell: {
    product: "hermes",
    skip: "Skip to the content",
    navigation: "Views",
    cameras: "Cameras",
    ask: "Ask all",
    events: "Events",
    system: "System",
    theme: { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" },
    documentation: "API",
    failed: "This view failed",
    failedWhy: (message) => `${message}. Reload the page; if it comes back, tell those who run this system.`,
    title: (view) => `${view} · hermes-ray`,
  },
  connection: {
    connecting: "Connecting",
    live: "Live",
    lost: "Connection lost",
    locked: "Key needed",
    unready: "Not ready",
    lostWhy: (since) => `The API does not answer since ${since}. What you see is what was known then; trying again.`,
    unreadyWhy: (why) => `The API answers, but the system behind it does not: ${why}`,
  },
  key: {
    title: "This system asks for a key",
    why: "Make one with `hermes keys create`, or ask whoever runs this system. It stays in this tab, and is forgotten when you close it.",
    refused: (why) => `That key was refused: ${why}`,
    lacksScope: (why) => `${why}. Give a key that may do more.`,
    label: "API key",
    use: "Use this key",
    forget: "Forget the key",
  },
  time: {
    unknown: "–",
    justNow: "just now",
    ago: (span) => `${span} ago`,
    dateAndClock: (date, clock) => `${date}, ${clock}`,
    milliseconds: (n) => `${n} ms`,
    seconds: (n) => `${n} s`,
    minutes: (n) => `${n} min`,
    hours: (n) => `${n} h`,
    days: (n) => `${n} d`,
  },
  cameras: {
    title: "Cameras",
    total: (shown, all) => (shown === all ? number(all) : `${number(shown)} of ${number(all)}`),
    search: "Name or label",
    sort: "Order",
    byState: "Only these states",
    sorts: { name: "By name", trouble: "Trouble first", lag: "Largest lag first", newest: "Newest frame first" },
    states: { live: "live", silent: "silent", behind: "behind", moving: "moving", restoring: "restoring", failed: "failed" },
    state: (stream, time) =>
      ({
        live: () => (stream.lag_ms === undefined ? "live" : `lag ${time.span(stream.lag_ms)}`),
        silent: () => `silent for ${time.span(time.now() - stream.as_of_ms)}`,
        behind: () => `behind by ${time.span(stream.lag_ms)}`,
        moving: () => "moving",
        restoring: () => "restoring",
        failed: () => "worker away",
      })[stream.state]?.() ?? stream.state,
    remembers: (stream, time) =>
      time.known(stream.oldest_ms) ? `remembers ${time.span(stream.as_of_ms - stream.oldest_ms)}` : "",
    held: (stream) =>
      stream.kv_budget ? `${compact(stream.kv_tokens)} of ${compact(stream.kv_budget)} tokens` : `${compact(stream.kv_tokens)} tokens`,
    explained: (stream, time) =>
      [
        `${stream.id}: ${text.cameras.states[stream.state] ?? stream.state}`,
        `newest frame ${time.full(stream.as_of_ms)}`,
        `remembers from ${time.full(stream.oldest_ms)} on`,
        `${number(stream.frames_seen)} frames seen`,
        `${number(stream.kv_tokens)} tokens held${stream.kv_budget ? ` of at most ${number(stream.kv_budget)}` : ""} per layer`,
        `on ${stream.worker}`,
        ...Object.entries(stream.labels ?? {}).map(([name, value]) => `${name}: ${value}`),
      ].join("\n"),
    none: "No camera has sent a frame yet",
    noneHow: "Frames come through Kafka. Publish a camera, a file or an RTSP address:",
    noneCommand: "hermes publish rtsp://camera.example/stream --stream front-door",
    noMatch: "No camera matches",
    showAll: "Show all cameras",
    noPicture: (error) =>
      error.code === "frame-gone" ? "no picture is kept" : error.name === "Unreachable" ? "picture not reachable" : error.message,
  },
  camera: {},
  ask: {},
  system: {
    title: "System",
  },
  plural,
};
