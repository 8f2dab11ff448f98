// Shows the OpenAPI document as a list of operations that can be tried. Text only ever becomes text, never markup.

const at = (path) => new URL(`.${path}`, document.baseURI);
const documentOf = await (await fetch(at("/openapi.json"))).json();

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function resolved(schema) {
  return schema?.$ref ? documentOf.components.schemas[schema.$ref.split("/").at(-1)] : (schema ?? {});
}

function exampleBody(operation) {
  const schema = resolved(operation.requestBody?.content?.["application/json"]?.schema);
  return JSON.stringify(schema.examples?.[0] ?? {}, null, 2);
}

function inputOf(parameter) {
  const input = element("input", { placeholder: parameter.description ?? "", required: parameter.required ?? false });
  return { parameter, input, row: element("p", {}, element("label", {}, `${parameter.name} (${parameter.in}) `, input)) };
}

function requestOf(method, path, inputs, body) {
  const headers = new Headers();
  const key = document.getElementById("key").value.trim();
  if (key) headers.set("Authorization", `Bearer ${key}`);
  if (body) headers.set("Content-Type", "application/json");
  let filled = path;
  const query = new URLSearchParams();
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    if (parameter.in === "query" && input.value) query.set(parameter.name, input.value);
    if (parameter.in === "header" && input.value) headers.set(parameter.name, input.value);
  }
  const url = at(filled);
  url.search = query.toString();
  return new Request(url, { method: method.toUpperCase(), headers, body: body?.value });
}

async function show(request, output) {
  output.textContent = "...";
  try {
    const response = await fetch(request);
    output.textContent = `${response.status} ${response.statusText}\n\n`;
    if ((response.headers.get("content-type") ?? "").startsWith("image/")) {
      output.append(element("img", { src: URL.createObjectURL(await response.blob()) }));
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) output.append(part.value);
  } catch (error) {
    output.textContent = `no answer: ${error.message}`;
  }
}

function shown(method, path, operation) {
  const scope = operation.security?.[0] ? Object.values(operation.security[0]).flat().join(" ") : "no key needed";
  const inputs = (operation.parameters ?? []).map(inputOf);
  const body = operation.requestBody ? element("textarea", { value: exampleBody(operation) }) : undefined;
  const output = element("pre", { ariaLive: "polite" });
  const send = element("button", { type: "button" }, "Send");
  send.addEventListener("click", () => show(requestOf(method, path, inputs, body), output));
  const answers = Object.entries(operation.responses).map(([status, response]) =>
    element("tr", {}, element("td", {}, status), element("td", {}, response.description ?? "")),
  );
  return element(
    "details",
    { id: operation.operationId },
    element(
      "summary",
      {},
      element("b", {}, method.toUpperCase()),
      element("code", {}, path),
      ` ${operation.summary ?? ""}`,
      element("span", { className: "scope" }, scope),
    ),
    element("p", {}, operation.description ?? ""),
    ...inputs.map(({ row }) => row),
    ...(body ? [body] : []),
    element("p", {}, send),
    output,
    element("table", {}, ...answers),
  );
}

document.getElementById("operations").replaceChildren(
  ...Object.entries(documentOf.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => shown(method, path, operation)),
  ),
);
