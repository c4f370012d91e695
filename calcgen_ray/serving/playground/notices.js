/** What went wrong, in words, with a way out of it. */

import { Lost } from "./api.js";
import { byId, make, makeButton } from "./dom.js";

const TITLES = {
  400: "The endpoint does not take this request",
  403: "This page may not ask here",
  404: "Not served here",
  413: "That is too long",
  429: "The endpoint is busy",
  500: "The endpoint failed",
};

/** How the texts of a 503 begin, and what they are about. */
const UNAVAILABLE = [
  ["model:", "The model does not load"],
  ["the engine", "The engine was lost"],
  ["status", "The endpoint cannot answer now"],
];

let ticking = 0;

/** A title and a text for an error. */
export function explained(error) {
  if (error instanceof Lost) {
    return { title: "The connection was lost", text: "The endpoint does not answer, or stopped in the middle." };
  }
  const text = error.message.slice(0, 2000);
  if (error.status === 503) {
    const [, title] = UNAVAILABLE.find(([begin]) => text.startsWith(begin)) ?? [];
    return { title: title ?? "The sandbox runs no code here", text };
  }
  return { title: TITLES[error.status] ?? "That did not work", text };
}

/** Shows an error above the results; `again` repeats what failed. */
export function notify(error, again) {
  const { title, text } = explained(error);
  const button = makeButton("Try again", () => {
    clearNotice();
    again();
  });
  const notice = make("div", { class: "notice" }, make("h2", {}, title), make("p", {}, text));
  if (error.status !== 400) notice.append(button);
  clearNotice();
  byId("notice").append(notice);
  if (error.wait > 0) countDown(button, error.wait);
}

/** Takes the error away. */
export function clearNotice() {
  clearInterval(ticking);
  byId("notice").replaceChildren();
}

function countDown(button, seconds) {
  const show = () => {
    button.disabled = seconds > 0;
    button.textContent = seconds > 0 ? `Try again in ${seconds} s` : "Try again";
  };
  show();
  ticking = setInterval(() => {
    seconds -= 1;
    show();
    if (seconds <= 0) clearInterval(ticking);
  }, 1000);
}
