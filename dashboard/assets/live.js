// Shows clicks as they arrive, while the list is open.
"use strict";

(() => {
  const LISTED = 30;
  const box = document.getElementById("live");
  const list = document.getElementById("live-list");
  const note = document.getElementById("live-note");
  let source = null;

  function shown(click) {
    const line = document.createElement("li");
    const put = (tag, text) => {
      if (!text) return;
      const part = document.createElement(tag);
      part.textContent = text;
      line.append(part, " ");
    };
    put("time", click.appended_at?.slice(11, 19));
    put("strong", click.action);
    put("span", click.product_name ?? click.product_id ?? click.path);
    put("em", click.country);
    return line;
  }

  function open() {
    source = new EventSource("/live");
    source.onopen = () => (note.textContent = "Waiting for the next click.");
    source.onerror = () => (note.textContent = "The connection is lost. Trying again.");
    source.onmessage = (event) => {
      const { clicks, more } = JSON.parse(event.data);
      for (const click of clicks) list.prepend(shown(click));
      while (list.children.length > LISTED) list.lastChild.remove();
      note.textContent = more > 0 ? `and ${more} more at the same time` : "";
    };
  }

  function close() {
    source?.close();
    source = null;
  }

  const follow = () => (box.open && !document.hidden ? (source ?? open()) : close());
  box.addEventListener("toggle", follow);
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", close);
  follow();
})();
