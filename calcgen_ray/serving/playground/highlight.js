/** Python in colours: tokens by one pattern, lines of text nodes. */

import { make } from "./dom.js";

const KEYWORDS = new Set(
  ("False None True and as assert async await break class continue def del elif else except finally "
    + "for from global if import in is lambda match nonlocal not or pass raise return try while with "
    + "yield").split(" "),
);
const TOKEN = new RegExp(
  [
    "(?<comment>#[^\\n]*)",
    "(?<string>[rbfuRBFU]{0,2}(?:\"\"\"[^]*?(?:\"\"\"|$)|'''[^]*?(?:'''|$)"
      + "|\"(?:\\\\.|[^\"\\\\\\n])*\"?|'(?:\\\\.|[^'\\\\\\n])*'?))",
    "(?<number>(?:\\d[\\d_]*\\.?[\\d_]*|\\.\\d+)(?:[eE][+-]?\\d+)?[jJ]?)",
    "(?<name>[\\p{L}_][\\p{L}\\p{N}_]*)",
  ].join("|"),
  "gu",
);

/** Pairs of a class ("" for none) and a text; the texts joined are the code. */
export function tokens(code) {
  const found = [];
  let end = 0;
  for (const match of code.matchAll(TOKEN)) {
    if (match.index > end) found.push(["", code.slice(end, match.index)]);
    end = match.index + match[0].length;
    found.push([kindOf(match, code[end]), match[0]]);
  }
  if (end < code.length) found.push(["", code.slice(end)]);
  return found;
}

function kindOf(match, next) {
  const { comment, string, number, name } = match.groups;
  if (comment !== undefined) return "comment";
  if (string !== undefined) return "string";
  if (number !== undefined) return "number";
  if (KEYWORDS.has(name)) return "keyword";
  return next === "(" ? "call" : "";
}

/** One element for each line of the code. */
export function lines(code) {
  const made = [make("span", { class: "line" })];
  for (const [kind, text] of tokens(code.replace(/\n$/, ""))) {
    text.split("\n").forEach((part, number) => {
      if (number) made.push(make("span", { class: "line" }));
      if (part) made.at(-1).append(kind ? make("span", { class: kind }, part) : part);
    });
  }
  return made;
}
