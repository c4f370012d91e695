/** What running a piece of code gave. Every text here was written by code that nobody has read. */

import { make, makeCopyButton } from "./dom.js";
import { formula } from "./mathml.js";

const STATUS = {
  ran: ["good", "Ran"],
  failed: ["bad", "Failed"],
  timeout: ["bad", "Took too long"],
  memory: ["bad", "Out of memory"],
};
const VERDICT = {
  equal: ["good", "Right"],
  different: ["bad", "Wrong"],
  unknown: ["open", "Undecided"],
};
const SIGNS = { good: "\u2713", bad: "\u2715", open: "?" };

/** A short label with a sign, so that colour alone says nothing. */
export function badge([kind, label]) {
  const sign = SIGNS[kind] ? make("span", { "aria-hidden": "true" }, SIGNS[kind]) : null;
  return make("span", { class: `badge ${kind}` }, sign, label);
}

/** The labels of an outcome: the verdict, then what became of it unless it simply ran. */
export function badges(told) {
  const made = [];
  if (told.verdict) made.push(badge(VERDICT[told.verdict] ?? VERDICT.unknown));
  if (!told.verdict || told.status !== "ran") {
    made.push(badge(STATUS[told.status] ?? ["open", String(told.status)]));
  }
  if (told.agreeing > 0) {
    made.push(badge(["plain", `${told.agreeing} of ${told.candidates} agree`]));
  }
  return made;
}

/**
 * The parts of an outcome that there are.
 *
 * @param {number} line where the error is in the code that is shown, 0 where that is not known
 */
export function parts(told, line) {
  return [
    told.error ? errorPart(told.error, line) : null,
    ...told.figures.map((figure, place) => plotPart(figure, place, told.figures.length)),
    told.result ? resultPart(told.result, told.figures.length > 0) : null,
    told.stdout.trim() ? textPart("Output", told.stdout) : null,
    isSilent(told) ? make("p", { class: "soft" }, "It ran, and left neither a result nor output.") : null,
  ].filter(Boolean);
}

const isSilent = (told) =>
  told.status === "ran" && !told.result && !told.figures.length && !told.stdout.trim();

function errorPart(error, line) {
  const where = line > 0 ? make("strong", {}, `Line ${line}: `) : null;
  return make("p", { class: "error" }, where, error);
}

function resultPart(result, plotted) {
  const text = result.text ?? "";
  const math = result.mathml ? formula(result.mathml, text) : null;
  const shown = math
    ? make("div", { class: "formula", tabindex: "0", role: "group", "aria-label": "Formula" }, math)
    : null;
  const copies = make("div", { class: "copies" },
    result.latex ? makeCopyButton("Copy LaTeX", () => result.latex, "Copy the result as LaTeX") : null,
    text ? makeCopyButton("Copy text", () => text, "Copy the result as text") : null);
  if (math) return make("section", {}, head("Result", copies), shown);
  if (plotted) return folded("Values", text);
  return make("section", {}, head("Result", copies), block(text, "Result"));
}

function head(title, more) {
  return make("div", { class: "part-head" }, make("h4", {}, title), more);
}

function block(text, label) {
  return make("pre", { tabindex: "0", role: "group", "aria-label": label }, text);
}

function textPart(title, text) {
  return make("section", {}, head(title, null), block(text, title));
}

function folded(title, text) {
  return make("details", {}, make("summary", {}, title), block(text, title));
}

function plotPart(figure, place, count) {
  if (!/^[A-Za-z0-9+/]+=*$/.test(figure)) return null;
  const alt = count > 1 ? `Plot ${place + 1} of ${count} that the code drew` : "The plot that the code drew";
  return make("img", { class: "plot", src: `data:image/png;base64,${figure}`, alt });
}
