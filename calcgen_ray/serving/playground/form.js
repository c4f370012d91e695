/** The form: what it holds, what belongs together in it, and what the endpoint found wrong. */

import { byId } from "./dom.js";
import { asPrompt } from "./prompt.js";

const FIELDS = {
  prompt: "problem", temperature: "temperature", n: "samples", max_tokens: "max-tokens", seed: "seed",
  model: "model", calcgen: "candidates", "calcgen.candidates": "candidates",
  "calcgen.expected": "expected",
};

const numberOf = (id) => Number(byId(id).value);

/** Temperature 0 gives one text only, and so one sample. */
const greedy = () => numberOf("temperature") === 0;

/** What is asked for: the request's body and the part of its prompt that is code. */
export function wanted() {
  const { prompt, lead } = asPrompt(byId("problem").value);
  const body = {
    prompt,
    temperature: numberOf("temperature"),
    n: greedy() ? 1 : numberOf("samples"),
    max_tokens: numberOf("max-tokens"),
  };
  if (byId("seed").value !== "") body.seed = numberOf("seed");
  if (byId("model").value) body.model = byId("model").value;
  if (byId("verify").checked) body.calcgen = verification(body.n);
  return { body, lead };
}

function verification(n) {
  const asked = { verify: true, candidates: Math.max(n, numberOf("candidates")) };
  const value = byId("expected").value.trim();
  if (value) asked.expected = { kind: byId("kind").value, value };
  return asked;
}

/** Keeps what belongs together together; `submit` is called with a form that is valid. */
export function watchForm(submit) {
  const form = byId("ask");
  form.addEventListener("input", () => {
    settle();
    clearFaults();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  settle(); // a browser may have kept what was in the form
}

function settle() {
  const problem = byId("problem");
  problem.setCustomValidity(problem.value.trim() ? "" : "Write a problem first.");
  byId("temperature-value").textContent = numberOf("temperature").toFixed(1);
  byId("samples").disabled = greedy();
  const verify = byId("verify");
  byId("verify-more").hidden = !verify.checked;
  byId("candidates").disabled = !verify.checked;
  verify.setAttribute("aria-expanded", String(verify.checked));
}

/** Puts a problem into the form. */
export function fill(text) {
  byId("problem").value = text;
  settle();
}

/** Asks for what the form holds, as its button does. */
export function submitForm() {
  byId("ask").requestSubmit();
}

/** Shows which button there is, and leaves the focus on it. */
export function setBusy(busy) {
  const [shown, gone] = busy ? [byId("stop"), byId("go")] : [byId("go"), byId("stop")];
  const focused = document.activeElement === gone;
  shown.hidden = false;
  gone.hidden = true;
  byId("stop-below").hidden = !busy; // in sight where the form is not
  if (focused) shown.focus({ preventScroll: true });
}

/** Marks the field that the endpoint names as wrong. */
export function markFault(param) {
  const field = byId(FIELDS[param] ?? "");
  field?.setAttribute("aria-invalid", "true");
  field?.focus();
}

function clearFaults() {
  for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

/** The models to choose from. The first one is live, and asked for without its name. */
export function setModels(cards) {
  const choice = byId("model");
  choice.replaceChildren(...cards.map((card, place) => new Option(card.id, place ? card.id : "")));
  byId("model-choice").hidden = cards.length < 2;
  byId("model-name").hidden = cards.length !== 1;
  byId("model-name").textContent = cards[0]?.id ?? "";
  if (cards[0]?.max_model_len) byId("max-tokens").max = cards[0].max_model_len;
}
