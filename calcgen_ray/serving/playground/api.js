/** Asking the endpoint, and what it refuses with. */

const KEY = "calcgen-key";

/** An answer of the endpoint that is no answer to the question. */
export class Refusal extends Error {
  constructor(status, { message, param = null, code = null }, wait = 0) {
    super(message);
    Object.assign(this, { status, param, code, wait });
  }
}

/** The endpoint was not reached, or went away in the middle. */
export class Lost extends Error {}

/** The key of this tab, "" for none; of this page only where storage is switched off. */
export const key = {
  value: stored(),
  set(value) {
    this.value = value;
    try {
      if (value) sessionStorage.setItem(KEY, value);
      else sessionStorage.removeItem(KEY);
    } catch {
      // it is forgotten with the page
    }
  },
};

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** The body of a GET. */
export async function read(path) {
  return (await answered(path, {})).json();
}

/** The body that a POST of `body` is answered with. */
export async function ask(path, body, signal) {
  return bodyOf(await post(path, body, signal));
}

/**
 * The events of a streamed answer.
 *
 * Throws Lost where it breaks off, Refusal where the endpoint ends it with an error.
 */
export async function* stream(path, body, signal) {
  const response = await post(path, { ...body, stream: true }, signal);
  for await (const data of dataLines(response.body)) {
    if (data === "[DONE]") return;
    const event = JSON.parse(data);
    if (event.error) throw new Refusal(500, event.error);
    yield event;
  }
  throw new Lost("the answer broke off");
}

function post(path, body, signal) {
  const headers = { "content-type": "application/json" };
  return answered(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function answered(path, options) {
  const headers = { ...options.headers };
  if (key.value) headers.authorization = `Bearer ${key.value}`;
  const response = await reached(fetch(path, { ...options, headers, credentials: "omit" }));
  if (!response.ok) throw await refusal(response);
  return response;
}

async function bodyOf(response) {
  return reached(response.json());
}

/** The promise's value; a failure of the network as Lost, an abort as it is. */
async function reached(promise) {
  try {
    return await promise;
  } catch (error) {
    throw error.name === "AbortError" ? error : new Lost(error.message);
  }
}

async function refusal(response) {
  const wait = Number(response.headers.get("retry-after")) || 0;
  try {
    return new Refusal(response.status, (await response.json()).error, wait);
  } catch {
    return new Refusal(response.status, { message: `status ${response.status}` }, wait);
  }
}

async function* dataLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reached(reader.read());
    if (done) return;
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    for (const line of whole) if (line.startsWith("data: ")) yield line.slice(6);
  }
}
