/** One candidate: its code as it comes, and what running it gave. */

import { ask, Refusal } from "./api.js";
import { byId, make, makeButton, makeCopyButton } from "./dom.js";
import { lines } from "./highlight.js";
import { explained } from "./notices.js";
import { badge, badges, parts } from "./outcome.js";

const ENDS = {
  stop: null,
  length: ["open", "Cut at max tokens"],
  stopped: ["plain", "Stopped"],
  lost: ["bad", "Broke off"],
};

export class Candidate {
  /**
   * @param {number} number from 1
   * @param {string} prompt what was asked
   * @param {string} lead the part of it that is shown as code
   * @param {(error: Error, again: () => void) => boolean} refused true where it deals with an error
   */
  constructor(number, { prompt, lead }, refused) {
    Object.assign(this, { number, prompt, lead, refused });
    this.text = "";
    this.told = null;
    this.drawing = 0;
    this.over = false;
    this.build();
  }

  build() {
    const name = `candidate ${this.number}`;
    this.code = make("code");
    this.state = make("div", { class: "badges" });
    this.output = make("div", { class: "output", "aria-live": "polite" });
    this.runButton = makeButton("Run", () => this.run(), { class: "small", "aria-label": `Run ${name}` });
    this.runButton.disabled = true;
    this.copyButton = makeCopyButton("Copy", () => this.lead + this.text, `Copy ${name}`);
    this.element = make("li", { class: "card", "aria-busy": "true" },
      make("div", { class: "card-head" },
        make("h3", {}, make("span", { class: "offscreen" }, "Candidate "), String(this.number)),
        this.state, make("div", { class: "card-actions" }, this.copyButton, this.runButton)),
      make("pre", { class: "code", tabindex: "0", role: "group", "aria-label": `Code of ${name}` }, this.code),
      this.output);
    this.draw();
  }

  /** More of its text. It is drawn with the next frame, however many pieces come before that. */
  add(text) {
    this.text += text;
    this.drawing ||= requestAnimationFrame(() => this.draw());
  }

  /** Its text is over: "stop", "length", "stopped" or "lost". */
  end(reason) {
    if (this.over) return;
    this.over = true;
    this.element.setAttribute("aria-busy", "false");
    this.runButton.disabled = !this.program.trim();
    if (ENDS[reason]) this.state.replaceChildren(badge(ENDS[reason]));
    this.draw();
  }

  /** All that there is to run: prompt and text. */
  get program() {
    return `${this.prompt}${this.text}\n`;
  }

  draw(wrong = 0) {
    cancelAnimationFrame(this.drawing);
    this.drawing = 0;
    const code = (this.lead + this.text).replace(/\n+$/, "");
    this.code.replaceChildren(...(code ? lines(code) : []));
    this.element.classList.toggle("waiting", !code && !this.over);
    this.code.children[wrong - 1]?.classList.add("wrong");
  }

  async run() {
    if (this.runButton.disabled) return;
    this.setRunning(true);
    try {
      this.show(await ask("v1/run", { code: this.program }));
    } catch (error) {
      this.fail(error);
    } finally {
      this.setRunning(false);
    }
  }

  setRunning(running) {
    this.runButton.disabled = running;
    this.runButton.textContent = running ? "Running" : "Run";
    this.element.classList.toggle("running", running);
  }

  /** What came of running it. A line of the error counts from the first line that is shown. */
  show(told) {
    this.told = told;
    const hidden = this.lead ? 0 : this.prompt.split("\n").length - 1;
    const line = told.line ? told.line - hidden : 0;
    this.state.replaceChildren(...badges(told));
    this.output.replaceChildren(...parts(told, line));
    this.draw(line);
  }

  fail(error) {
    if (error instanceof Refusal && this.refused(error, () => this.run())) return;
    const { title, text } = explained(error);
    this.output.replaceChildren(make("p", { class: "error" }, make("strong", {}, `${title}. `), text));
    if (error.status === 404) byId("status").textContent = title;
  }
}
