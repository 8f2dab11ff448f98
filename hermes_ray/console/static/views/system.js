// The system: its workers, what they do, what could not be used, and emptying a worker.

import { Problem, Unreachable } from "../api.js";
import { h, setText } from "../dom.js";
import { confirmed } from "../dialog.js";
import { createRates } from "./system/rates.js";
import { createTable } from "./system/table.js";
import { ingestColumns, memoryColumns } from "./system/columns.js";

const EVERY_MS = 2000;

export function mount(root, context) {
  const { api, text, updates } = context;
  const words = text.system;
  const ending = new AbortController();
  const rates = createRates();
  const summary = h("p", { class: "soft", role: "status" });
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const memory = createTable(words.memory, memoryColumns({ text, rates, streamsOf, drain }));
  const ingest = createTable(words.ingest, ingestColumns({ text, rates, time: context.time }));
  const letters = h("div", { class: "letters" });
  const problems = h("div", { class: "letters" });
  root.append(
    h("div", { class: "heading" }, h("h1", {}, words.title), summary), trouble,
    section(words.memory, words.memoryWhy, memory.element),
    section(words.ingest, words.ingestWhy, ingest.element),
    h("div", { class: "columns" },
      section(words.letters, words.lettersWhy, letters),
      section(words.problems, words.problemsWhy, problems)));
  let timer = null;

  function section(title, why, content) {
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, title), h("p", { class: "soft" }, why)), content);
  }

  function streamsOf(worker) {
    return [...updates.streams.values()].filter((stream) => stream.worker === worker).map((stream) => stream.id).sort();
  }

  function show(system) {
    rates.take(system.workers, performance.now());
    const of = (role) => system.workers.filter((worker) => worker.role === role);
    memory.show(of("memory"));
    ingest.show(of("ingest"));
    setText(summary, words.summary(system));
    showCounts(letters, total(of("ingest").map((worker) => worker.ingest?.dead_letters ?? {})), words.noLetters, words.reason);
    const concerned = [...updates.streams.values()].filter((stream) => stream.dead_letters > 0)
      .sort((a, b) => b.dead_letters - a.dead_letters).slice(0, 8);
    if (concerned.length > 0) {
      letters.append(h("p", { class: "of-streams" }, words.mostOf, " ", concerned.map((stream) =>
        h("a", { class: "tag", href: `#/camera/${encodeURIComponent(stream.id)}` }, words.ofStream(stream)))));
    }
    if (letters.querySelector("table")) letters.append(h("p", { class: "soft" }, words.lettersHow, " ", h("code", {}, "hermes dead-letters list")));
    showCounts(problems, system.question_problems, words.noProblems, () => "", (code) => `problems/${code}`);
  }

  function complain(why) {
    trouble.hidden = why === null;
    setText(trouble, why ?? "");
  }

  async function look() {
    clearTimeout(timer);
    try {
      const system = await api.get("v1/workers", { signal: ending.signal });
      show(system);
      complain(system.coordinator_up ? null : words.noCoordinator);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      if (context.report(error)) return; // another key mounts the view anew
      if (error instanceof Problem) complain(error.message); // the shell tells of a lost connection
    }
    if (!ending.signal.aborted) timer = setTimeout(look, EVERY_MS);
  }

  async function drain(worker) {
    const words_ = worker.draining ? words.endDrain : words.drain;
    const ask = { title: words_.title(worker.name), body: words_.body(worker), yes: words_.yes, no: words.no, danger: !worker.draining };
    if (!(await confirmed(ask, ending.signal))) return;
    const path = `v1/workers/${encodeURIComponent(worker.name)}/drain`;
    try {
      await (worker.draining ? api.delete(path) : api.post(path));
      await look();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      if (!context.report(error)) complain(error.message);
    }
  }

  look();
  return () => {
    ending.abort();
    clearTimeout(timer);
  };
}

function total(counts) {
  const sums = {};
  for (const one of counts) for (const [name, count] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

function showCounts(element, counts, none, explained, link = null) {
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  if (rows.length === 0) {
    element.replaceChildren(h("p", { class: "soft" }, none));
    return;
  }
  element.replaceChildren(h("table", {}, h("tbody", {}, rows.map(([name, count]) =>
    h("tr", {}, h("th", { scope: "row", class: "mono" }, link === null ? name : h("a", { href: link(name) }, name)),
      h("td", { class: "soft" }, explained(name)), h("td", { class: "number" }, String(count)))))));
}
