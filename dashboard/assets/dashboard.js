// Draws the chart and keeps the panels fresh. Everything it shows is in the page already: with
// scripts off the tables stand open to whoever asks.
"use strict";

(() => {
  const EVERY = 5000;
  let chart = null;
  // Actions that somebody took out of the chart stay out when it is drawn again.
  const hidden = new Set();

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = new Intl.NumberFormat("en");

  // Each series becomes the sum of itself and those after it, so that bars drawn from the first
  // to the last cover one another and look stacked.
  function stacked(times, series, shown) {
    const sums = new Array(times.length).fill(0);
    const columns = [];
    for (let s = series.length - 1; s >= 0; s--) {
      const raw = series[s].clicks;
      columns[s] = raw.map((clicks, i) => (shown[s] ? (sums[i] += clicks) : null));
    }
    return [times, ...columns];
  }

  function draw() {
    const place = document.getElementById("actions-chart");
    const source = document.getElementById("actions-data");
    chart?.destroy();
    chart = null;
    if (!place || !source || typeof uPlot === "undefined") return;
    const { step, times, series } = JSON.parse(source.textContent);
    if (times.length === 0) return;
    const shown = series.map((one) => !hidden.has(one.action));
    const ink = color("--soft");
    const axis = { stroke: ink, grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 } };
    const half = { hour: 1800, day: 43200, month: 1296000 }[step];
    const utc = (seconds, length) => new Date(seconds * 1000).toISOString().slice(0, length).replace("T", " ");
    const length = { hour: 16, day: 10, month: 7 }[step];
    // The hour, and the date below it where a day begins; dates alone where steps are longer.
    const written = (seconds, first) => {
      const text = utc(seconds, 16);
      if (step !== "hour") return text.slice(0, length);
      return first || text.endsWith("00:00") ? `${text.slice(11)}\n${text.slice(0, 10)}` : text.slice(11);
    };
    const options = {
      width: place.clientWidth,
      height: 280,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: { time: true, range: (u, low, high) => [low - half, high + half] },
        y: { range: (u, low, high) => [0, Math.max(high, 1) * 1.05] },
      },
      axes: [
        { ...axis, space: step === "day" ? 95 : 70, values: (u, ticks) => ticks.map((tick, i) => written(tick, i === 0)) },
        { ...axis, size: 64, values: (u, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? number.format(tick) : "")) },
      ],
      cursor: { drag: { x: false, y: false } },
      series: [
        { label: "UTC", value: (u, seconds) => (seconds == null ? "–" : utc(seconds, length)) },
        ...series.map((one, s) => ({
          label: one.action,
          show: shown[s],
          fill: color(`--s${s % 8}`),
          stroke: color(`--s${s % 8}`),
          width: 0,
          points: { show: false },
          paths: uPlot.paths.bars({ size: [0.85, 60] }),
          value: (u, sum, column, i) => (i == null ? "–" : number.format(one.clicks[i])),
        })),
      ],
      hooks: {
        setSeries: [
          (u, index, change) => {
            if (index == null || change.show == null) return;
            shown[index - 1] = change.show;
            hidden[change.show ? "delete" : "add"](series[index - 1].action);
            u.setData(stacked(times, series, shown));
          },
        ],
      },
    };
    chart = new uPlot(options, stacked(times, series, shown), place);
  }

  // Panels are replaced one by one and only when they changed, so that an open table, a scroll
  // position or a selection elsewhere stays as it is.
  const received = new Map();

  async function refresh() {
    if (document.hidden) return;
    const status = document.getElementById("refresh");
    try {
      const answer = await fetch(`/panels${location.search}`, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      let redraw = false;
      for (const panel of fresh.querySelectorAll("[data-panel]")) {
        const name = panel.dataset.panel;
        const text = panel.outerHTML;
        const before = received.get(name);
        received.set(name, text);
        const old = document.querySelector(`[data-panel="${CSS.escape(name)}"]`);
        if (before === text || !old) continue;
        const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
        const top = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
        old.replaceWith(document.adoptNode(panel));
        for (const id of open) document.getElementById(id)?.setAttribute("open", "");
        panel.querySelectorAll(".scroll").forEach((box, i) => top[i] && box.scrollTo(...top[i]));
        redraw ||= panel.querySelector("#actions-chart") !== null;
      }
      if (redraw) draw();
      status.textContent = `as of ${new Date().toISOString().slice(11, 19)} UTC`;
    } catch (error) {
      status.textContent = `not refreshed: ${error.message}`;
    }
  }

  function loop() {
    setTimeout(async () => {
      await refresh();
      loop();
    }, EVERY);
  }

  // What the page came with, before the chart changes it.
  for (const panel of document.querySelectorAll("[data-panel]")) {
    received.set(panel.dataset.panel, panel.outerHTML);
  }
  draw();
  loop();
  document.addEventListener("visibilitychange", refresh);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    draw();
  });
})();
