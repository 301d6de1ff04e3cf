// What every page has: keyboard shortcuts, and a bar while the next page loads.
"use strict";

(() => {
  const help = document.getElementById("keys");
  const opener = document.getElementById("show-keys");
  const follow = (css) => document.querySelector(css)?.click();
  const typing = (one) => one.closest?.("input, textarea, select") != null;

  function toggle() {
    if (help.open) help.close();
    else help.showModal();
  }

  opener.hidden = false;
  opener.addEventListener("click", toggle);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "?") toggle();
    else if (help.open) return;
    else if (event.key === "/") {
      const box = document.getElementById("sql");
      if (box) box.focus();
      else location.assign("/sql#sql");
    } else if (event.key === "x") follow(".chips .all a");
    else if (/^[1-9]$/.test(event.key)) follow(`.ranges li:nth-child(${event.key}) a`);
    else if (/^[a-z]$/.test(event.key)) follow(`nav a[data-key="${event.key}"]`);
    else return;
    event.preventDefault();
  });

  // After the shortcut `/` the user can type at once.
  if (location.hash === "#sql") document.getElementById("sql")?.focus();

  const busy = (is) => document.documentElement.classList.toggle("busy", is);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
    if (!link || elsewhere || link.closest(".csv") || link.getAttribute("href").startsWith("#")) return;
    busy(true);
  });
  document.addEventListener("submit", (event) => busy(event.target.method !== "dialog"));
  addEventListener("pageshow", () => busy(false));
})();
