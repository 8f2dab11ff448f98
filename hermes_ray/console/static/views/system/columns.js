// What is said of a worker, column by column.

import { h, setText } from "../../dom.js";

function name() {
  const dot = h("span", { class: "dot" });
  const label = h("span", {});
  const element = h("span", { class: "worker" }, dot, label);
  return {
    element,
    show(worker) {
      setText(label, worker.name);
      element.className = `worker state-${!worker.up ? "failed" : worker.draining ? "moving" : "live"}`;
    },
  };
}

export function memoryColumns({ text, rates, streamsOf, drain }) {
  const words = text.system;
  const load = () => {
    const fill = h("span", { class: "fill" });
    const label = h("span", {});
    const list = h("div", { class: "streams" });
    const element = h("details", { class: "load" },
      h("summary", {}, label, h("span", { class: "meter", "aria-hidden": "true" }, fill)), list);
    let worker = null;
    const fillList = () => list.replaceChildren(...streamsOf(worker.name).map((id) =>
      h("a", { class: "tag", href: `#/camera/${encodeURIComponent(id)}` }, id)));
    element.addEventListener("toggle", () => element.open && fillList());
    return {
      element,
      show(one) {
        worker = one;
        const { streams = null, places = null } = worker.memory ?? {};
        setText(label, words.streams(streams, places));
        fill.parentNode.hidden = !places;
        fill.style.transform = `scaleX(${places ? Math.min(1, (streams ?? 0) / places) : 0})`;
        if (element.open) fillList();
      },
    };
  };
  const action = () => {
    let worker = null;
    const button = h("button", { type: "button", onclick: () => drain(worker) });
    return {
      element: button,
      show(one) {
        worker = one;
        const says = worker.draining ? words.endDrain.action : words.drain.action;
        setText(button, says);
        button.setAttribute("aria-label", `${says} ${worker.name}`);
        button.disabled = !worker.up;
      },
    };
  };
  return [
    { title: words.worker, create: name },
    { title: words.state, value: (worker) => words.stateOf(worker) },
    { title: words.streamsHeld, create: load },
    { title: words.framesPerS, number: true, value: (worker) => words.rate(rates.of(worker, "frames")) },
    { title: words.framesWaiting, number: true, value: ({ memory }) => words.count(memory?.frames_waiting) },
    { title: words.questions, number: true, value: ({ memory }) => words.questionsOf(memory) },
    { title: words.snapshots, number: true, value: ({ memory }) => words.behind(memory?.snapshots_behind_s) },
    { title: words.restarts, number: true, value: (worker) => words.count(worker.restarts) },
    { title: words.device, value: ({ memory }) => memory?.device ?? null },
    { title: "", create: action },
  ];
}

export function ingestColumns({ text, rates }) {
  const words = text.system;
  return [
    { title: words.worker, create: name },
    { title: words.state, value: (worker) => words.stateOfIngest(worker) },
    { title: words.partitions, number: true, value: ({ ingest }) => words.count(ingest?.partitions?.length) },
    { title: words.recordsPerS, number: true, value: (worker) => words.rate(rates.of(worker, "records")) },
    { title: words.decodedPerS, number: true, value: (worker) => words.rate(rates.of(worker, "decoded")) },
    { title: words.recordsWaiting, number: true, value: ({ ingest }) => words.count(ingest?.lag_records) },
    { title: words.waitingFor, number: true, value: ({ ingest }) => words.behind(ingest?.waiting_s) },
    { title: words.inFlight, number: true, value: ({ ingest }) => words.count(ingest?.frames_inflight) },
    { title: words.lost, number: true, value: ({ ingest }) => words.count(ingest?.records_lost) },
    { title: words.restarts, number: true, value: (worker) => words.count(worker.restarts) },
  ];
}
