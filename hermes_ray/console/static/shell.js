// What is around every view: navigation, the connection's state, the theme switch, the form for a key.

import { h, icon, setText } from "./dom.js";

const ICONS = {
  system: "M2.5 3.5h11v7h-11zM6 13h4",
  light: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.4 1.4M11.6 11.6 13 13M3 13l1.4-1.4M11.6 4.4 13 3",
  dark: "M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1Z",
  key: "M10.5 2.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8.3 7.7 2.5 13.5v0M4.5 11.5l1.6 1.6",
};

/** @param {Object} context see app.js */
export function createShell(context) {
  const { text, time, updates, key, theme, features } = context;
  const words = text.shell;
  const navigation = h("nav", { "aria-label": words.navigation });
  const badge = h("span", { class: "badge" });
  const connection = h("div", { class: "connection", role: "status" }, h("span", { class: "dot" }), badge);
  const banner = h("div", { class: "banner", role: "alert", hidden: true });
  const keyPanel = h("section", { class: "key-panel", hidden: true, "aria-labelledby": "key-title" });
  const main = h("main", { id: "content", tabindex: "-1" });
  const themeButton = h("button", { class: "quiet", type: "button", onclick: () => showTheme(theme.next()) });
  const keyButton = h("button", { class: "quiet", type: "button", title: text.key.forget, "aria-label": text.key.forget,
    onclick: forgetKey }, icon(ICONS.key));
  const bar = h("header", { class: "bar" },
    h("a", { class: "product", href: "#/" }, h("img", { src: "console/icon.svg", alt: "", width: 18, height: 18 }),
      words.product),
    navigation, h("div", { class: "spring" }), connection,
    keyButton, themeButton, h("a", { class: "quiet", href: "docs" }, words.documentation));
  let view = null;
  let unseen = 0;

  function showTheme(current) {
    themeButton.replaceChildren(icon(ICONS[current]));
    themeButton.title = words.theme[current];
    themeButton.setAttribute("aria-label", words.theme[current]);
  }

  function showNavigation() {
    const names = ["cameras", "ask", ...(features.events ? ["events"] : []), "system"];
    navigation.replaceChildren(...names.map((name) => {
      const here = name === view || (name === "cameras" && view === "camera");
      const count = name === "events" && unseen > 0 && !here // who looks at them sees which are new
        ? [h("span", { class: "count", "aria-hidden": "true" }, words.unseenCount(unseen)),
          h("span", { class: "visually-hidden" }, ` ${words.unseen(unseen)}`)] : null;
      return h("a", { href: name === "cameras" ? "#/" : `#/${name}`, "aria-current": here ? "page" : null }, words[name], count);
    }));
  }

  function showConnection() {
    const { phase, sinceMs, problem } = updates.connection;
    document.body.dataset.connection = phase;
    setText(badge, text.connection[phase]);
    const why = {
      lost: () => text.connection.lostWhy(time.at(sinceMs)),
      unready: () => text.connection.unreadyWhy(problem.message),
    }[phase];
    banner.hidden = why === undefined;
    setText(banner, why?.() ?? "");
    if (phase === "locked") askForKey(problem);
    else if (phase === "live" && keyPanel.dataset.of === "connection") closeKeyPanel();
    keyButton.hidden = key.current === null;
  }

  function askForKey(problem) {
    if (!keyPanel.hidden) return;
    const words = text.key;
    const ofConnection = updates.connection.phase === "locked";
    const field = h("input", { type: "password", name: "key", autocomplete: "off", spellcheck: "false", required: true });
    const reason = problem.status === 403 ? words.lacksScope(problem.message)
      : key.current === null ? words.why : words.refused(problem.message);
    const parts = h("div", {},
      h("h2", { id: "key-title" }, problem.status === 403 ? words.another : words.title), h("p", {}, reason),
      h("form", { onsubmit: (event) => useKey(event, field) }, h("label", {}, words.label, field),
        h("button", { class: "primary", type: "submit" }, words.use)),
      h("p", { class: "hint" }, words.whyOperator, " ", h("code", {}, "hermes keys create")),
      ofConnection ? null : h("p", {}, h("a", { href: "#/" }, words.back)));
    keyPanel.replaceChildren(parts);
    keyPanel.dataset.of = ofConnection ? "connection" : "view";
    keyPanel.hidden = false;
    field.focus();
  }

  function useKey(event, field) {
    event.preventDefault();
    key.use(field.value);
    closeKeyPanel();
    updates.restart();
    window.dispatchEvent(new HashChangeEvent("hashchange")); // the view begins anew, with the key
  }

  function forgetKey() {
    key.forget();
    updates.restart();
  }

  function closeKeyPanel() {
    keyPanel.hidden = true;
  }

  showTheme(theme.current);
  updates.subscribe((change) => change.connection && showConnection());
  showConnection();

  return {
    elements: [h("a", { class: "skip", href: "#content", onclick: skip }, words.skip), bar, banner, keyPanel, main],
    askForKey,
    showNavigation,
    /** Show in the navigation how many events nobody has seen in this browser. */
    showUnseen(count) {
      if (count === unseen) return;
      unseen = count;
      showNavigation();
    },
    /** The root of the next view, empty. */
    empty(name) {
      view = name;
      if (keyPanel.dataset.of === "view") closeKeyPanel();
      document.title = words.title(words[name] ?? text[name].title ?? name);
      showNavigation();
      delete main.dataset.ready;
      main.className = `view-${name}`;
      main.replaceChildren();
      window.scrollTo(0, 0);
      return main;
    },
    /** The view is mounted. */
    ready() {
      main.dataset.ready = "";
    },
  };

  function skip(event) {
    event.preventDefault(); // the hash is the view's
    main.focus();
  }
}
