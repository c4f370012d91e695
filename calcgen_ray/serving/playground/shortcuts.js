/** Keys for those who leave the mouse alone, and the list of them. */

import { byId } from "./dom.js";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/**
 * Listens for the keys.
 *
 * @param {{sample: () => void, runAll: () => void, stop: () => void}} actions
 */
export function watchKeys(actions) {
  if (APPLE) for (const key of document.querySelectorAll("kbd.modifier")) key.textContent = "\u2318";
  byId("help").addEventListener("click", showList);
  document.addEventListener("keydown", (event) => {
    if (byId("shortcuts").open || event.isComposing) return; // the dialog has Esc for itself
    const act = actionOf(event, actions);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function actionOf(event, { sample, runAll, stop }) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return event.shiftKey ? runAll : sample;
  if (event.key === "Escape") {
    stop();
    return null; // the browser may have a use for it, too
  }
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return null;
  return { "?": showList, "/": () => byId("problem").focus() }[event.key] ?? null;
}

function isTyping(element) {
  return element.matches?.("textarea, select, input:not([type=checkbox], [type=range])") ?? false;
}

function showList() {
  byId("shortcuts").showModal();
}
