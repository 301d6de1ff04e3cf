// Draws the charts and refreshes the panels. Everything that it shows is in the page already, so
// that a page without scripts is complete.
"use strict";

(() => {
  // The panels are fetched again after this time, and after so many times the time that the last
  // fetch took, so that slow panels are not fetched all the time.
  const REFRESH_MS = 5000;
  const PAUSE_FACTOR = 5;
  let charts = [];
  // Actions that the user hides stay hidden when the chart is drawn again.
  const hidden = new Set();

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = new Intl.NumberFormat("en");
  const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const utc = (seconds, length) => new Date(seconds * 1000).toISOString().slice(0, length).replace("T", " ");
  const LENGTH = { minute: 16, hour: 16, day: 10, week: 10, month: 7 };
  const HALF = { minute: 30, hour: 1800, day: 43200, week: 302400, month: 1296000 };

  // A chart's place and its numbers in the page; null if either is missing.
  function given(name) {
    const place = document.getElementById(`${name}-chart`);
    const source = document.getElementById(`${name}-data`);
    if (!place || !source || typeof uPlot === "undefined") return null;
    const read = JSON.parse(source.textContent);
    return read.times.length === 0 ? null : { place, ...read };
  }

  // What all charts share: time at the bottom in UTC, numbers at the left.
  function frame(place, step, format) {
    const ink = color("--soft");
    const axis = { stroke: ink, grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 } };
    const fine = step === "minute" || step === "hour";
    // The hour, with the date below it at midnight. Only the date if the steps are longer.
    const written = (seconds, first, days) => {
      const text = utc(seconds, 16);
      if (!fine || days) return text.slice(0, fine ? 10 : LENGTH[step]);
      return first || text.endsWith("00:00") ? `${text.slice(11)}\n${text.slice(0, 10)}` : text.slice(11);
    };
    return {
      width: place.clientWidth,
      height: 280,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: { time: true, range: (u, low, high) => [low - HALF[step], high + HALF[step]] },
        y: { range: (u, low, high) => [Math.min(low ?? 0, 0), Math.max(high ?? 0, 1) * 1.05] },
      },
      axes: [
        { ...axis, space: step === "month" ? 70 : 95, values: (u, ticks) => ticks.map((tick, i) => written(tick, i === 0, ticks[1] - ticks[0] >= 86400)) },
        { ...axis, size: 64, values: (u, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? format.format(tick) : "")) },
      ],
      cursor: { drag: { x: false, y: false } },
    };
  }

  // One metric, and as a dashed line the same steps of the period before.
  function drawSeries() {
    const chart = given("series");
    if (!chart) return;
    const { place, step, metric, label, times, now, before } = chart;
    const format = metric === "revenue" ? money : number;
    const shown = (value) => (value == null ? "–" : format.format(value));
    const earlier = before && times.map((_, i) => before[i]?.[1] ?? null);
    const options = {
      ...frame(place, step, number),
      series: [
        { label: "UTC", value: (u, seconds) => (seconds == null ? "–" : utc(seconds, LENGTH[step])) },
        { label, stroke: color("--s0"), width: 2, fill: color("--wash"), points: { show: times.length < 40, size: 6, fill: color("--s0") }, value: (u, value) => shown(value) },
        ...(earlier
          ? [{ label: "before", stroke: color("--s5"), width: 1.5, dash: [6, 5], points: { show: false }, value: (u, value, column, i) => (i == null || value == null ? "–" : `${shown(value)} (${utc(before[i][0], LENGTH[step])})`) }]
          : []),
      ],
    };
    charts.push(new uPlot(options, earlier ? [times, now, earlier] : [times, now], place));
  }

  // Each series becomes the sum of itself and the series after it. Drawn from the first to the
  // last, their bars cover each other and look stacked.
  function stacked(times, series, shown) {
    const sums = new Array(times.length).fill(0);
    const columns = [];
    for (let s = series.length - 1; s >= 0; s--) {
      const raw = series[s].clicks;
      columns[s] = raw.map((clicks, i) => (shown[s] ? (sums[i] += clicks) : null));
    }
    return [times, ...columns];
  }

  function drawActions() {
    const chart = given("actions");
    if (!chart) return;
    const { place, step, times, series } = chart;
    const shown = series.map((one) => !hidden.has(one.action));
    const options = {
      ...frame(place, step, number),
      series: [
        { label: "UTC", value: (u, seconds) => (seconds == null ? "–" : utc(seconds, LENGTH[step])) },
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
    charts.push(new uPlot(options, stacked(times, series, shown), place));
  }

  function draw() {
    for (const chart of charts) chart.destroy();
    charts = [];
    drawSeries();
    drawActions();
  }

  // Each panel is replaced only if it changed, so that open tables, scroll positions and
  // selections elsewhere stay.
  const received = new Map();

  function put(panel, old) {
    const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
    const top = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    const focus = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceWith(document.adoptNode(panel));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    panel.querySelectorAll(".scroll").forEach((box, i) => top[i] && box.scrollTo(...top[i]));
    if (focus) panel.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus();
  }

  async function refresh() {
    if (document.hidden) return;
    const status = document.getElementById("refresh");
    try {
      const answer = await fetch(`${status.dataset.from}${location.search}`, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      let redraw = false;
      for (const panel of fresh.querySelectorAll("[data-panel]")) {
        const name = panel.dataset.panel;
        const text = panel.outerHTML;
        const before = received.get(name);
        received.set(name, text);
        const old = document.querySelector(`[data-panel="${CSS.escape(name)}"]`);
        if (before === text || !old) continue;
        put(panel, old);
        redraw ||= panel.querySelector(".chart") !== null;
      }
      if (redraw) draw();
      status.classList.remove("wrong");
      status.textContent = `as of ${new Date().toISOString().slice(11, 19)} UTC`;
    } catch (error) {
      status.classList.add("wrong");
      status.textContent = `not refreshed: ${error.message}; trying again`;
    }
  }

  function loop(pause) {
    setTimeout(async () => {
      const begun = performance.now();
      await refresh();
      loop(Math.max(REFRESH_MS, PAUSE_FACTOR * (performance.now() - begun)));
    }, pause);
  }

  // The panels as the page came with them, before the charts change them.
  for (const panel of document.querySelectorAll("[data-panel]")) {
    received.set(panel.dataset.panel, panel.outerHTML);
  }
  draw();
  loop(REFRESH_MS);
  document.addEventListener("visibilitychange", refresh);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    draw();
  });
})();
