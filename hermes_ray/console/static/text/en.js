// Everything the console says, in English. A block per view; what depends on a value is a function.

const plural = (count, one, many) => `${new Intl.NumberFormat("en").format(count)} ${count === 1 ? one : many}`;

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
    none: "No camera has sent a frame yet",
  },
  camera: {},
  ask: {},
  system: {
    title: "System",
  },
  plural,
};
