/** The playground: asks for candidates, shows them side by side, runs them. */

import { ask, key, Lost, read, Refusal, stream } from "./api.js";
import { Candidate } from "./candidate.js";
import { byId } from "./dom.js";
import { fill, markFault, setBusy, setModels, submitForm, wanted, watchForm } from "./form.js";
import { clearNotice, notify } from "./notices.js";
import { watchKeys } from "./shortcuts.js";

const ONE_COLUMN = matchMedia("(max-width: 55.99rem)"); // as in base.css

let candidates = [];
let current = null; // the AbortController of what is being sampled
let afterKey = null; // what is done once there is a key

async function sample() {
  if (current) return;
  const { body, lead } = wanted();
  begin(body, lead);
  const started = performance.now();
  try {
    const more = await (body.calcgen ? verify(body) : sampleStreamed(body));
    say(`${plural(candidates.length, "candidate")} in ${since(started)}${more ?? ""}.`);
  } catch (error) {
    broken(error);
  } finally {
    finish();
  }
}

function begin(body, lead) {
  current = new AbortController();
  clearNotice();
  setBusy(true);
  candidates = Array.from({ length: body.n }, (_, place) =>
    new Candidate(place + 1, { prompt: body.prompt, lead }, refused));
  byId("cards").replaceChildren(...candidates.map((one) => one.element));
  showResults(true);
  if (ONE_COLUMN.matches) byId("results").scrollIntoView();
  say(body.calcgen
    ? `Drawing ${plural(body.calcgen.candidates, "candidate")} and running them.`
    : `Sampling ${plural(body.n, "candidate")}.`);
}

async function sampleStreamed(body) {
  for await (const { choices } of stream("v1/completions", body, current.signal)) {
    for (const { index, text, finish_reason: reason } of choices) {
      candidates[index]?.add(text);
      if (reason) candidates[index]?.end(reason);
    }
  }
}

/** Returns what the verdicts rest on, where there are any. */
async function verify(body) {
  const { choices } = await ask("v1/completions", body, current.signal);
  for (const choice of choices) {
    const one = candidates[choice.index];
    one.add(choice.text);
    one.end(choice.finish_reason);
    if (choice.calcgen) one.show(choice.calcgen);
  }
  const known = choices[0]?.calcgen?.checked_as;
  return known && (known === "expected" ? ", checked against what you expect" : `, checked as ${known}`);
}

/** Keeps what came before an answer broke, and says what broke it. */
function broken(error) {
  const stopped = error.name === "AbortError";
  for (const one of candidates) one.end(stopped ? "stopped" : "lost");
  if (!candidates.some((one) => one.text)) showResults(false);
  say(stopped ? "Stopped." : "");
  if (stopped || refused(error, submitForm)) return;
  if (!(error instanceof Refusal || error instanceof Lost)) throw error;
  notify(error, submitForm);
  markFault(error.param);
}

function finish() {
  for (const one of candidates) one.end("stop");
  current = null;
  setBusy(false);
  byId("run-all").hidden = candidates.length < 2 || !candidates.some((one) => one.text);
}

function showResults(any) {
  if (!any) candidates = [];
  byId("empty").hidden = any;
  byId("cards").hidden = !any;
  byId("run-all").hidden = true;
}

async function runAll() {
  for (const one of candidates) {
    await one.run();
    if (!byId("key-form").hidden) return;
  }
}

/** Asks for a key where that is what is missing; true where it is. */
function refused(error, again) {
  if (error.status !== 401) return false;
  byId("key-fault").hidden = key.value === "";
  setKey("");
  afterKey = again;
  clearNotice();
  byId("key-form").hidden = false;
  byId("key").value = "";
  byId("key").focus();
  say("");
  return true;
}

function setKey(value) {
  key.set(value);
  byId("forget-key").hidden = !value;
}

async function takeKey() {
  setKey(byId("key").value.trim());
  byId("key-form").hidden = true;
  byId("key").value = "";
  say("");
  if (!(await loadModels())) return;
  const again = afterKey;
  afterKey = null;
  again?.();
}

/** Fills the chooser; true where the endpoint answered. */
async function loadModels() {
  try {
    setModels((await read("v1/models")).data);
    return true;
  } catch (error) {
    if (!refused(error, afterKey)) notify(error, loadModels);
    return false;
  }
}

const say = (text) => (byId("status").textContent = text);
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function since(started) {
  const ms = performance.now() - started;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function start() {
  watchForm(sample);
  watchKeys({ sample: submitForm, runAll, stop: () => current?.abort() });
  for (const id of ["stop", "stop-below"]) byId(id).addEventListener("click", () => current?.abort());
  byId("run-all").addEventListener("click", runAll);
  byId("forget-key").addEventListener("click", () => {
    setKey("");
    say("The key is forgotten.");
  });
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    takeKey();
  });
  for (const button of document.querySelectorAll("[data-problem]")) {
    button.addEventListener("click", () => {
      fill(button.dataset.problem);
      submitForm();
    });
  }
  setKey(key.value);
  loadModels();
}

start();
