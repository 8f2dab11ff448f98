// The shell: which view is shown, the connection's state above it, and what all views share.
//
// A view is views/<name>.js, which exports `mount(root, context, params)` and returns a function that ends all that it
// began. `context` has
//   api       the HTTP API (api.js)         text    all words (text/<language>.js)
//   time      times for people (time.js)    updates all streams as they change (updates.js)
//   key       the visitor's key (key.js)    theme   light or dark (theme.js)
//   features  what this API has beyond the least: {events: boolean}
//   seen      the newest event that this browser has shown (events/seen.js)
//   navigate(hash)   go to a view            report(error)   show a problem that concerns the whole page; true if taken

import { createApi, Problem, Unreachable } from "./api.js";
import { h } from "./dom.js";
import { createSeen } from "./events/seen.js";
import { createUnseen } from "./events/unseen.js";
import { createKey } from "./key.js";
import { createShell } from "./shell.js";
import { language, text } from "./text/en.js";
import { createTheme } from "./theme.js";
import { createTime } from "./time.js";
import { createUpdates } from "./updates.js";

const VIEWS = ["cameras", "camera", "ask", "events", "system"];

/** "#/camera/front-door?x=1" as the view's name, the rest of the path and the query. */
function routeOf(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map(decoded);
  const view = VIEWS.includes(name) ? name : "cameras";
  return { view, params: { id: rest.join("/") || null, query: new URLSearchParams(query) } };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // an address that somebody mistyped
  }
}

const key = createKey();
const api = createApi(key);
const time = createTime(text.time, language);
const updates = createUpdates(api, time);
const theme = createTheme();
const features = { events: false };
const seen = createSeen();
const navigate = (hash) => (location.hash = hash);
const context = { api, text, time, updates, key, theme, features, seen, navigate, report };
const shell = createShell(context);
const unseen = createUnseen(context, shell.showUnseen);
document.documentElement.lang = language;
document.body.append(...shell.elements);

let unmount = null;
let turn = 0;
let areLearnt = false;

async function show() {
  const mine = ++turn;
  const { view, params } = routeOf(location.hash);
  const available = view !== "events" || features.events ? view : "cameras";
  unmount?.();
  unmount = null;
  const root = shell.empty(available);
  try {
    const module = await import(`./views/${available}.js`);
    if (mine !== turn) return; // another view was asked for meanwhile
    unmount = module.mount(root, context, params);
    shell.ready();
    unseen.look();
  } catch (error) {
    console.error(error);
    root.replaceChildren(
      h("section", { class: "notice error", role: "alert" },
        h("h1", {}, text.shell.failed), h("p", {}, text.shell.failedWhy(error.message))),
    );
  }
}

/** Show a problem that concerns the whole page: a missing key. Returns whether it was one. */
function report(error) {
  if (!(error instanceof Problem) || !error.needsKey) return false;
  shell.askForKey(error);
  return true;
}

async function learnFeatures() {
  try {
    const index = await api.get("");
    if (areLearnt) return;
    areLearnt = true;
    features.events = Boolean(index.events);
    shell.showNavigation();
    unseen.look();
    if (features.events && routeOf(location.hash).view === "events") await show();
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
  }
}

window.addEventListener("hashchange", show);
updates.subscribe(({ connection }) => connection && !areLearnt && updates.connection.phase === "live" && learnFeatures());
updates.start();
show();
learnFeatures();
