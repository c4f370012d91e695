/**
 * A formula out of text that untrusted code wrote: read as XML, which runs nothing, and built anew
 * from listed elements and attributes. A formula with anything else in it is not shown at all.
 */

const NAMESPACE = "http://www.w3.org/1998/Math/MathML";
const ELEMENTS = new Set(
  ("math mrow mi mn mo mtext mspace mfrac msqrt mroot mstyle mpadded mphantom msub msup msubsup "
    + "munder mover munderover mmultiscripts mprescripts mtable mtr mtd").split(" "),
);
const TOKENS = new Set(["mi", "mn", "mo", "mtext"]); // what may hold text
const ATTRIBUTES = new Set(
  ("mathvariant displaystyle linethickness stretchy fence separator form accent accentunder "
    + "columnspan rowspan").split(" "),
);
const ENTITIES = {
  ExponentialE: "e", ImaginaryI: "i", InvisibleTimes: "\u2062", ApplyFunction: "\u2061",
  dd: "d", DifferentialD: "d", int: "\u222b", pi: "\u03c0", infin: "\u221e", nbsp: "\u00a0",
};
const MOST_DEPTH = 150;
const MOST_ELEMENTS = 5000;

// The page's policy lets no other code parse text; a document that is only read runs no script.
const policy = globalThis.trustedTypes?.createPolicy("calcgen-mathml", { createHTML: (text) => text });

class UnlistedError extends Error {}

/**
 * @param {string} text presentation MathML, as SymPy prints it: without `math` around it
 * @param {string} spoken what the formula says, as plain text
 * @returns {Element|null} null where the text is no formula that may be shown
 */
export function formula(text, spoken) {
  const source = `<math xmlns="${NAMESPACE}">${plain(text)}</math>`;
  const parsed = new DOMParser().parseFromString(policy?.createHTML(source) ?? source, "text/xml");
  if (parsed.getElementsByTagName("parsererror").length) return null;
  if (parsed.getElementsByTagName("*").length > MOST_ELEMENTS) return null;
  try {
    const math = rebuilt(parsed.documentElement, 0);
    math.setAttribute("display", "block");
    math.setAttribute("alttext", spoken);
    return math.textContent.trim() ? math : null;
  } catch (error) {
    if (error instanceof UnlistedError) return null;
    throw error;
  }
}

/** SymPy writes names that XML does not know, and a bare < for "less than". */
function plain(text) {
  return text
    .replace(/&([A-Za-z]+);/g, (whole, name) => ENTITIES[name] ?? whole)
    .replace(/<(?![/A-Za-z])/g, "&lt;");
}

const holdsText = (node) => TOKENS.has(node.parentNode.localName) || !node.data.trim();

function rebuilt(node, depth) {
  if (node.nodeType === Node.TEXT_NODE && holdsText(node)) return document.createTextNode(node.data);
  const listed = node.nodeType === Node.ELEMENT_NODE && node.namespaceURI === NAMESPACE
    && ELEMENTS.has(node.localName);
  if (!listed || depth > MOST_DEPTH) throw new UnlistedError();
  const made = document.createElementNS(NAMESPACE, node.localName);
  for (const { name, value } of node.attributes) {
    if (ATTRIBUTES.has(name)) made.setAttribute(name, value);
  }
  made.append(...Array.from(node.childNodes, (child) => rebuilt(child, depth + 1)));
  return made;
}
