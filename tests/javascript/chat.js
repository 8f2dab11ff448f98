// Talks to the API as a program does that knows nothing of it; writes what it heard as JSON.
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });

const models = [];
for await (const each of client.models.list()) models.push(each.id);

const asked = {
  model,
  max_tokens: 6,
  n: 1,
  presence_penalty: 0,
  response_format: { type: "text" },
  messages: [
    { role: "system", content: "what did you see ?" },
    { role: "user", content: "who came ?" },
    { role: "assistant", content: "a dog ." },
    { role: "user", content: [{ type: "text", text: "What is there?" }] },
  ],
};
const whole = await client.chat.completions.create(asked);

const streamed = { text: "", usage: null, finish: null };
const stream = await client.chat.completions.create({
  ...asked,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed.text += chunk.choices[0]?.delta.content ?? "";
  streamed.finish = chunk.choices[0]?.finish_reason ?? streamed.finish;
  streamed.usage = chunk.usage ?? streamed.usage;
}

const failed = async (request) => {
  try {
    await client.chat.completions.create(request);
    return null;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
};
const errors = [
  await failed({ ...asked, model: "stream/nobody" }),
  await failed({ ...asked, response_format: { type: "json_object" } }),
];
console.log(JSON.stringify({ models, whole, streamed, errors }));
