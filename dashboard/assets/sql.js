// Ctrl+Enter runs the query. A result along a time is drawn as lines.
"use strict";

(() => {
  document.getElementById("sql")?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
  });

  const place = document.getElementById("sql-chart");
  const source = document.getElementById("sql-data");
  if (!place || !source) return;
  const read = JSON.parse(source.textContent);
  const at = read.times.map((text) => Date.parse(/[zZ]$/.test(text) || text.length === 10 ? text : `${text}Z`) / 1000);
  const order = at.map((_, i) => i).sort((a, b) => at[a] - at[b]);
  const number = new Intl.NumberFormat("en");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let chart = null;
  // The hour, and the date at midnight.
  const written = (seconds, first) => {
    const text = new Date(seconds * 1000).toISOString();
    const midnight = text.slice(11, 16) === "00:00";
    return midnight ? text.slice(0, 10) : first ? `${text.slice(11, 16)}\n${text.slice(0, 10)}` : text.slice(11, 16);
  };

  function draw() {
    chart?.destroy();
    const axis = { stroke: color("--soft"), grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 } };
    const options = {
      width: place.clientWidth,
      height: 280,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      axes: [{ ...axis, space: 70, values: (u, ticks) => ticks.map((tick, i) => written(tick, i === 0)) }, { ...axis, size: 64, values: (u, ticks) => ticks.map((tick) => number.format(tick)) }],
      cursor: { drag: { x: false, y: false } },
      series: [
        { label: "UTC", value: (u, seconds) => (seconds == null ? "–" : new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")) },
        ...read.series.map((one, s) => ({ label: one.name, stroke: color(`--s${s}`), width: 2, points: { show: at.length < 60 } })),
      ],
    };
    chart = new uPlot(options, [order.map((i) => at[i]), ...read.series.map((one) => order.map((i) => one.values[i]))], place);
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("resize", draw);
})();
