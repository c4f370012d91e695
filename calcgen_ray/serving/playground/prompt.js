/** What a model is asked: words as Python comments, code as it stands. */

const CODE = [
  /^\s*(from\s+[\w.]+\s+import\s|import\s+\w|def\s+\w+\s*\(|class\s+\w+\s*[:(]|@\w|print\s*\()/,
  /^\s*(for\s.+\sin\s.+|if\s.+|while\s.+|with\s.+|else|try)\s*:\s*$/,
];
const ASSIGNMENT = /^\s*[A-Za-z_][\w.,\s]*\s[-+*/]?=\s*\S/;
const WORDS = /[A-Za-z]{2,}\s+[A-Za-z]{2,}|[.?!]\s*$/;

/**
 * A problem as a prompt.
 *
 * @returns {{prompt: string, lead: string}} `lead` is the part of the prompt that belongs to the
 *   program that is shown: all of it where it is code, nothing where it is a problem in words
 */
export function asPrompt(text) {
  const lines = text.trim().split(/\r\n|\r|\n/);
  if (lines.every((line) => line.startsWith("#"))) return { prompt: `${lines.join("\n")}\n`, lead: "" };
  if (lines.some(isCode)) {
    const code = text.replace(/\r\n?/g, "\n");
    return { prompt: code, lead: code };
  }
  return { prompt: lines.map((line) => `# ${line}\n`).join(""), lead: "" };
}

function isCode(line) {
  if (CODE.some((pattern) => pattern.test(line))) return true;
  return ASSIGNMENT.test(line) && !WORDS.test(line.slice(line.indexOf("=")));
}
