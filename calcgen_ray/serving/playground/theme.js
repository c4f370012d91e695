// Runs before the page is drawn, so that a chosen theme does not flash.
"use strict";

(() => {
  const KEY = "calcgen-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the system's theme it is
    }
  }

  function current() {
    return root.dataset.theme || (system.matches ? "dark" : "light");
  }

  function label() {
    const other = current() === "dark" ? "light" : "dark";
    document.getElementById("theme").setAttribute("aria-label", `Switch to the ${other} theme`);
  }

  function toggle() {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // it holds for this page only
    }
    label();
  }

  const chosen = stored();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  document.addEventListener("DOMContentLoaded", () => {
    label();
    system.addEventListener("change", label);
    document.getElementById("theme").addEventListener("click", toggle);
  });
})();
