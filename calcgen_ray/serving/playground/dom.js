/** Making elements: text is always text, never markup. */

/** The element of that id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element with attributes and children.
 *
 * @param {string} tag
 * @param {Object<string, string>} attributes
 * @param {...(Node|string|null)} children strings become text nodes; null is left out
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A button that calls `act` when it is pressed. */
export function makeButton(label, act, attributes = {}) {
  const button = make("button", { type: "button", ...attributes }, label);
  button.addEventListener("click", () => act(button));
  return button;
}

/** A button that copies what `text()` gives, and says so. */
export function makeCopyButton(label, text, describedAs = label) {
  let timer = 0;
  return makeButton(label, async (button) => {
    const done = await copy(text());
    button.textContent = done ? "Copied" : "Not copied";
    byId("status").textContent = done ? "Copied to the clipboard." : "The browser did not copy.";
    clearTimeout(timer);
    timer = setTimeout(() => (button.textContent = label), 1600);
  }, { "aria-label": describedAs, class: "small" });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // a page over plain http has no clipboard
  }
}

function copyBySelection(text) {
  const area = make("textarea", { class: "offscreen", "aria-hidden": "true" });
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
