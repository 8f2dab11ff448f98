// Everything the console says, in English. A block per view; what depends on a value is a function.

const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

const number = (value) => new Intl.NumberFormat("en").format(value);
const compact = (value) => new Intl.NumberFormat("en", { notation: "compact" }).format(value);

/** Why a record cannot be used, by its dead letter's reason. */
const DEAD_LETTERS = {
  "unsupported-media": "a content type that is not decoded here",
  "undecodable-media": "damaged, truncated, or not of the type it claims",
  "media-too-large": "size, resolution, duration or frame count beyond its limit",
  media: "a picture or segment that cannot be used",
  message: "not in the message format",
  "invalid-stream-id": "the record's key is no stream id",
  "invalid-header": "a header is missing or wrong",
  "implausible-time": "a capture time in another unit, or of a clock that is ahead",
  "empty-payload": "the record has no value",
  "unreadable-record": "Kafka's client cannot parse it",
};

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
    lostWhy: (since) => `The API has not answered since ${since}. What you see is what was known then. Trying again.`,
    unreadyWhy: (why) => `The API answers, but cannot show the cameras now: ${why}`,
  },
  key: {
    title: "This system asks for a key",
    another: "This needs another key",
    why: "Ask whoever runs it for one. It stays in this tab, and is forgotten when you close it.",
    whyOperator: "Operators make one with",
    refused: (why) => `That key was refused: ${why}`,
    lacksScope: (why) => `The API says: ${why}.`,
    label: "API key",
    use: "Use this key",
    back: "Back to the cameras",
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
    total: (shown, all) => (all === null ? "" : shown === all ? number(all) : `${number(shown)} of ${number(all)}`),
    lede: "Each camera has a memory of fixed size. Open one to see what it still knows of its past, and ask it.",
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
      stream.kv_budget ? `${compact(stream.kv_tokens)} / ${compact(stream.kv_budget)}` : `${compact(stream.kv_tokens)} tokens`,
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
    summary: ({ workers }) => {
      const away = workers.filter((worker) => !worker.up).map((worker) => worker.name);
      if (workers.length === 0) return "";
      return away.length === 0 ? `all ${workers.length} workers answer` : `${away.join(", ")} away`;
    },
    noCoordinator: "The Coordinator does not answer, so nothing is known of the workers now. Questions about known streams go on.",
    memory: "Memory workers",
    memoryWhy: "hold the memories, answer the questions",
    ingest: "Ingest workers",
    ingestWhy: "read from Kafka, decode, sample",
    worker: "Worker",
    state: "State",
    stateOf: ({ up, draining, memory }) => {
      if (!up) return "away";
      if (draining) return memory?.streams === 0 ? "empty, drained" : "draining";
      return memory?.model ? "up" : "loading its model";
    },
    stateOfIngest: ({ up, ingest }) => (!up ? "away" : ingest?.broker_reachable === false ? "no broker reachable" : "up"),
    streamsHeld: "Streams",
    streams: (streams, places) => (streams === null ? "–" : places ? `${number(streams)} of ${number(places)}` : number(streams)),
    framesPerS: "Frames / s",
    framesWaiting: "Frames waiting",
    questions: "Questions",
    questionsOf: (memory) =>
      memory?.questions_active === null || memory === null ? "–"
        : `${number(memory.questions_active)} active, ${number(memory.questions_waiting)} waiting`,
    snapshots: "Snapshots behind",
    device: "Device",
    restarts: "Restarts",
    partitions: "Partitions",
    recordsPerS: "Records / s",
    decodedPerS: "Decoded / s",
    recordsWaiting: "Records waiting",
    waitingFor: "Waiting for",
    inFlight: "In flight",
    lost: "Lost",
    count: (value) => (value === null || value === undefined ? "–" : number(value)),
    rate: (value) => (value === null ? "–" : value >= 100 ? number(Math.round(value)) : value.toFixed(1)),
    behind: (seconds) => (seconds === null || seconds === undefined ? "–" : seconds < 0.05 ? "0 s" : `${seconds.toFixed(1)} s`),
    letters: "Dead letters",
    lettersWhy: "records that could not be used, since ingest started",
    lettersHow: "Each is kept with its reason:",
    noLetters: "None. Every record could be used.",
    mostOf: "Most of:",
    ofStream: (stream) => `${stream.id} ${number(stream.dead_letters)}`,
    reason: (code) => DEAD_LETTERS[code] ?? "",
    problems: "Failed questions",
    problemsWhy: "by problem, over all routers",
    noProblems: "None.",
    no: "Cancel",
    drain: {
      action: "Drain…",
      title: (worker) => `Drain ${worker}?`,
      body: ({ memory }) =>
        `Its ${plural(memory?.streams ?? 0, "stream moves", "streams move")} to the other workers, and it gets no new ones until you end the drain. ` +
        "No frame is lost; a stream that moves answers again after a second or two.",
      yes: "Drain",
    },
    endDrain: {
      action: "End drain",
      title: (worker) => `Give ${worker} streams again?`,
      body: () => "Streams may come to it again at once.",
      yes: "End drain",
    },
  },
  plural,
};
