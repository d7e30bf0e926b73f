"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const make = (tag, facts = {}, ...inner) => {
    const one = Object.assign(document.createElement(tag), facts);
    one.append(...inner);
    return one;
  };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (value) => (value == null ? "–" : String(Number(value.toPrecision(4))));
  const large = (value) => value.toLocaleString("en");
  let data = JSON.parse($("data").textContent);
  const chosen = { replica: 0, of: "all", step: null, range: null, log: {} };

  // Curves ---------------------------------------------------------------------------------------

  const plots = new Map();
  // A line of one replica, which need not have one, or of all of them.
  const of = (line, replica) => (replica === "all" || !Object.keys(line.each).length ? line.all : line.each[replica]);
  const shown = (chart) => chart.lines.map((line) => ({ ...line, at: of(line, chosen.of) })).filter((line) => line.at);

  // All lines of a chart over the union of their steps; what a line lacks is null.
  function table(chart) {
    const lines = shown(chart);
    const steps = [...new Set(lines.flatMap((line) => line.at.steps))].sort((a, b) => a - b);
    const columns = [steps], series = [{ label: "step" }], bands = [];
    const log = chosen.log[chart.key] ?? chart.log;
    lines.forEach((line, i) => {
      const place = new Map(line.at.steps.map((step, k) => [step, k]));
      const column = (values) => steps.map((step) => {
        const value = place.has(step) ? values[place.get(step)] : null;
        return log && !(value > 0) ? null : value;
      });
      const stroke = colour(`--c${i % 8}`);
      columns.push(column(line.at.mean));
      const edges = columns.length;
      const said = (plot, value, at, k) => {
        if (k == null) return "–";
        while (k > 0 && plot.data[at][k] == null) k -= 1; // its last one before
        value = plot.data[at][k];
        if (value == null) return "–";
        const [high, low] = line.at.low ? [plot.data[edges][k], plot.data[edges + 1][k]] : [];
        return number(value) + (high > low ? ` (${number(low)} to ${number(high)})` : "");
      };
      series.push({ label: line.name, stroke, width: 1.6, spanGaps: true, points: { show: steps.length < 40 }, value: said });
      if (line.at.low) {
        const edge = { stroke: "transparent", spanGaps: true, points: { show: false }, class: "edge" };
        columns.push(column(line.at.high), column(line.at.low));
        series.push({ ...edge, label: `${line.name}, highest` }, { ...edge, label: `${line.name}, lowest` });
        bands.push({ series: [edges, edges + 1], fill: stroke + "33" });
      }
      if (line.real != null && !(log && line.real <= 0)) {
        columns.push(steps.map(() => line.real));
        series.push({ label: `${line.name}, real samples`, stroke, width: 1, dash: [5, 5], points: { show: false }, value: (_, v) => number(v) });
      }
    });
    return { columns, series, bands, log };
  }

  function summary(chart) {
    return shown(chart).map(({ name, at }) => {
      const last = at.mean.length - 1;
      return `${name} ${number(at.mean[last])} at step ${large(at.steps[last])} (first ${number(at.mean[0])}, lowest ${number(Math.min(...at.mean))}, highest ${number(Math.max(...at.mean))})`;
    }).join("; ");
  }

  function numbers(chart) {
    const { columns, series } = table(chart), rows = columns[0].length, most = 60;
    const kept = [...new Set(Array.from({ length: Math.min(rows, most) }, (_, i) => Math.round((i * (rows - 1)) / Math.max(1, Math.min(rows, most) - 1))))];
    const head = make("tr", {}, ...series.map((one) => make("th", { scope: "col", textContent: one.label })));
    const body = kept.map((r) => make("tr", {}, ...columns.map((c, i) => make(i ? "td" : "th", { textContent: i ? number(c[r]) : large(c[r]), ...(i ? {} : { scope: "row" }) }))));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  }

  function zoom(low, high, from = null) {
    chosen.range = low == null ? null : [low, high];
    for (const plot of plots.values()) {
      if (plot === from) continue;
      const steps = plot.data[0], first = steps[0], last = steps[steps.length - 1];
      const some = first === last ? 1 : 0; // an axis of no length has no end of ticks
      plot.setScale("x", { min: low ?? first - some, max: high ?? last + some });
    }
    const ends = plots.size ? [...plots.values()].map((plot) => plot.data[0]) : [[0]];
    const said = { from: low ?? Math.min(...ends.map((s) => s[0])), to: high ?? Math.max(...ends.map((s) => s[s.length - 1])) };
    for (const [id, step] of Object.entries(said)) {
      if (document.activeElement !== $(id)) $(id).value = Math.round(step); // else somebody is typing
    }
  }

  function options(chart, { series, bands, log }, width) {
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const limits = chart.limits && !log ? { range: (_, low, high) => [Math.min(chart.limits[0], low ?? 0), Math.max(chart.limits[1], high ?? 1)] } : {};
    return {
      width, height: 230, series, bands,
      cursor: { sync: { key: "steps" }, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { distr: log ? 3 : 1, ...limits } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((v) => (v >= 1e4 ? `${v / 1e3}k` : v)) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((v) => (v == null ? "" : number(v))) }],
      hooks: {
        setSelect: [(plot) => {
          if (plot.select.width > 3) zoom(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"), plot);
        }],
        setCursor: [(plot) => {
          if (plot.cursor.idx == null) plot.setLegend({ idx: plot.data[0].length - 1 });
        }],
        ready: [(plot) => {
          plot.over.addEventListener("dblclick", () => zoom(null, null));
          plot.setLegend({ idx: plot.data[0].length - 1 }); // until somebody points at another step
        }],
      },
    };
  }

  function plot(chart) {
    const place = $(`plot-${chart.key}`), found = table(chart), steps = found.columns[0];
    const width = place.clientWidth || 480, known = plots.get(chart.key);
    const form = JSON.stringify([width, found.log, chart.limits, found.series, found.bands]);
    if (known && place.dataset.form === form) { // whoever points at it, or drags in it, goes on
      known.setData(found.columns, false);
      if (known.cursor.idx == null) known.setLegend({ idx: steps.length - 1 });
    } else {
      known?.destroy();
      plots.delete(chart.key);
      place.dataset.form = form;
      place.replaceChildren(...(steps.length ? [] : ["No numbers of this replica."]));
    }
    if (steps.length && !plots.has(chart.key)) {
      const one = new uPlot(options(chart, found, width), found.columns, place);
      one.root.querySelectorAll("canvas").forEach((c) => c.setAttribute("aria-hidden", "true"));
      plots.set(chart.key, one);
    }
    place.parentElement.querySelector(".summary").textContent = `${chart.title}: ${summary(chart)}`;
    const details = place.parentElement.querySelector("details");
    if (details.open) details.lastElementChild.replaceChildren(numbers(chart));
  }

  function figure(chart) {
    const current = () => data.charts.find((one) => one.key === chart.key);
    const log = make("input", { type: "checkbox", checked: chosen.log[chart.key] ?? chart.log });
    log.addEventListener("change", () => { chosen.log[chart.key] = log.checked; plot(current()); restore(); });
    const details = make("details", {}, make("summary", { textContent: "Numbers" }), make("div"));
    details.addEventListener("toggle", () => details.open && details.lastElementChild.replaceChildren(numbers(current())));
    const place = make("div", { className: "plot", id: `plot-${chart.key}` });
    return make("figure", { className: "chart", id: `chart-${chart.key}` },
      make("header", {}, make("h3", { textContent: chart.title }), make("label", {}, log, " log")),
      place, make("figcaption", { textContent: chart.note }), make("p", { className: "summary unseen" }), details);
  }

  const restore = () => (chosen.range ? zoom(...chosen.range) : zoom(null, null));

  function curves() {
    if (!$("curves")) return;
    $("curves").hidden = !data.charts.length;
    const keys = data.charts.map((chart) => chart.key).join(" ");
    if ($("charts").dataset.keys !== keys) {
      plots.forEach((one) => one.destroy());
      plots.clear();
      $("charts").replaceChildren(...data.charts.map(figure));
      $("charts").dataset.keys = keys;
    }
    data.charts.forEach(plot);
    restore();
  }

  // Samples --------------------------------------------------------------------------------------

  function measured(step) {
    const said = [];
    for (const chart of data.charts.slice(0, 6)) {
      if (!["held", "classes", "categories", "coverage", "distance"].includes(chart.key)) continue;
      for (const line of chart.lines) {
        const at = of(line, chosen.replica);
        const k = at ? at.steps.findLastIndex((s) => s <= step) : -1;
        const then = k >= 0 && at.steps[k] !== step ? ` at step ${large(at.steps[k])}` : "";
        if (k >= 0) said.push(`${line.name} ${number(at.mean[k])}${then}`);
      }
    }
    return said.join(", ");
  }

  // A picture, or lines of text; each line keeps its own direction. Whether there is any.
  function show(picture, text, one, words) {
    const lines = one.lines || [];
    $(picture).hidden = !one.src;
    if (one.src) Object.assign($(picture), { src: one.src, alt: words });
    $(text).hidden = !lines.length;
    $(text).setAttribute("aria-label", words);
    $(text).replaceChildren(...lines.flatMap((line) => {
      const own = document.createElement("bdi");
      own.textContent = line;
      return [own, "\n"];
    }));
    return Boolean(one.src || lines.length);
  }

  function slide() {
    const slides = (data.slides || [])[chosen.replica] || [];
    if (!$("samples")) return;
    $("samples").hidden = !slides.length;
    if (!slides.length) return;
    const at = chosen.step == null ? slides.length - 1 : Math.max(0, slides.findLastIndex((s) => s.step <= chosen.step));
    const one = slides[at], words = `Samples at step ${large(one.step)}: ${measured(one.step)}`;
    Object.assign($("slider"), { max: slides.length - 1, value: at });
    $("slider").setAttribute("aria-valuetext", `step ${one.step}`);
    const seen = show("slide", "slide-lines", one, words);
    $("slide-text").textContent = seen ? words : `The samples of step ${large(one.step)} cannot be read.`;
    if (data.parts) {
      $("parts").hidden = false;
      show("parts-picture", "parts-lines", data.parts, "Samples of each generator");
      $("parts-text").textContent = `Each generator at step ${large(data.parts.step)}`;
    }
  }

  // Shares over steps ----------------------------------------------------------------------------

  function heat(at = null) {
    const shares = data.shares, canvas = $("heat");
    const each = shares && (shares.each[chosen.replica] || shares.each[0]);
    if (!canvas) return;
    $("heat-figure").hidden = !each || each.steps.length < 2;
    $("share-section").hidden = !shares;
    if (!each || each.steps.length < 2) return;
    const rows = shares.names.length, columns = each.steps.length, scale = devicePixelRatio || 1;
    const width = canvas.clientWidth || 600, line = 18, foot = 20;
    Object.assign(canvas, { width: width * scale, height: (rows * line + foot) * scale });
    canvas.style.height = `${rows * line + foot}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "12px system-ui, sans-serif";
    const longest = Math.max(...shares.names.map((name) => pen.measureText(name.slice(0, 18)).width));
    const label = Math.min(longest + 10, width / 3);
    const cell = (width - label) / columns;
    each.shares.forEach((column, c) => column.forEach((share, r) => {
      const ratio = shares.real[r] ? share / shares.real[r] : 1;
      const part = Math.min(1, Math.abs(ratio - 1));
      pen.fillStyle = ratio < 1 ? `rgba(200, 50, 35, ${part})` : `rgba(40, 100, 220, ${part})`;
      pen.fillRect(label + c * cell, r * line, cell + 0.5, line - 1);
    }));
    pen.fillStyle = colour("--ink");
    shares.names.forEach((name, r) => pen.fillText(name.slice(0, 18), 0, r * line + 13, label - 6));
    pen.fillStyle = colour("--soft");
    pen.fillText(`step ${large(each.steps[0])}`, label, rows * line + 14);
    pen.textAlign = "right";
    pen.fillText(large(each.steps[columns - 1]), width, rows * line + 14);
    const words = "Of the samples that are of any of these. Red: too rare; blue: too frequent; blank: as in the data.";
    canvas.setAttribute("aria-label", `Shares over steps of ${rows} modes, classes or categories. The table has the last ones.`);
    $("heat-text").textContent = words;
    if (at) {
      const [c, r] = [Math.max(0, Math.min(columns - 1, at[0])), Math.max(0, Math.min(rows - 1, at[1]))];
      canvas.at = [c, r];
      pen.strokeStyle = colour("--ink");
      pen.strokeRect(label + c * cell, r * line, cell, line - 1);
      $("heat-text").textContent = `Step ${large(each.steps[c])}, ${shares.names[r]}: ${number(100 * each.shares[c][r])} % of the samples, ${number(100 * shares.real[r])} % of the data. ${words}`;
    }
    canvas.place = (x, y) => [Math.floor((x - label) / cell), Math.floor(y / line)];
  }

  // Controls -------------------------------------------------------------------------------------

  function fill(select, first) {
    const wanted = [...first, ...Array.from({ length: data.replicas }, (_, i) => [String(i), String(i)])];
    if (select.options.length !== wanted.length) select.replaceChildren(...wanted.map(([value, text]) => new Option(text, value)));
  }

  function draw() {
    const several = data.replicas > 1;
    if ($("replica")) {
      fill($("replica"), []);
      fill($("of"), [["all", "all: mean and range"]]);
      $("replica-label").hidden = $("of-label").hidden = !several;
    }
    curves();
    slide();
    heat();
  }

  $("slider")?.addEventListener("input", (event) => {
    const slides = data.slides[chosen.replica], at = Number(event.target.value);
    chosen.step = at === slides.length - 1 ? null : slides[at].step; // at the end it follows
    slide();
  });
  $("replica")?.addEventListener("change", (event) => { chosen.replica = Number(event.target.value); slide(); heat(); });
  $("of")?.addEventListener("change", (event) => { chosen.of = event.target.value === "all" ? "all" : Number(event.target.value); curves(); });
  $("all-steps")?.addEventListener("click", () => zoom(null, null));
  for (const id of ["from", "to"]) {
    $(id)?.addEventListener("change", () => {
      const [low, high] = [Number($("from").value), Number($("to").value)];
      if (high > low) zoom(low, high);
      else restore();
    });
  }
  $("range")?.addEventListener("submit", (event) => event.preventDefault());
  $("heat")?.addEventListener("pointermove", (event) => heat($("heat").place(event.offsetX, event.offsetY)));
  $("heat")?.addEventListener("pointerleave", () => heat());
  $("heat")?.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key], at = $("heat").at || [0, 0];
    if (move) { event.preventDefault(); heat([at[0] + move[0], at[1] + move[1]]); }
  });
  document.addEventListener("click", async (event) => {
    const text = event.target.dataset?.copy;
    if (text === undefined) return;
    try {
      await navigator.clipboard.writeText(text);
      event.target.textContent = "Copied";
    } catch { // a page from a file may not be let to
      getSelection().selectAllChildren(event.target.previousElementSibling);
      event.target.textContent = "Selected";
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // Charts are drawn anew for paper, in the colours that it has.
  addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); draw(); });
  addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); draw(); });
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(draw, 150); });
  draw();

  // Live -----------------------------------------------------------------------------------------

  const live = document.body.dataset.live;
  if (live) {
    const said = $("live");
    let events = null;
    const show = (name, html) => {
      const place = document.querySelector(`[data-section="${name}"]`);
      if (!place || place.dataset.was === html) return;
      if (place.querySelector(":active")) { setTimeout(show, 300, name, html); return; } // a click is under way
      const open = [...place.querySelectorAll("details")].map((one) => one.open);
      const ticked = [...place.querySelectorAll("input:checked")].map((one) => one.value);
      place.innerHTML = html;
      place.dataset.was = html;
      place.querySelectorAll("input").forEach((one) => { one.checked = ticked.includes(one.value); });
      place.querySelectorAll("details").forEach((one, i) => { if (i in open) one.open = open[i]; });
    };
    const hear = (event) => {
      const news = JSON.parse(event.data);
      for (const [name, html] of Object.entries(news.sections)) show(name, html);
      if (news.data) { data = news.data; draw(); }
    };
    // A page in the background does not follow: browsers open few connections to a server at once.
    const follow = () => {
      events?.close();
      if (document.hidden) return;
      events = new EventSource(live);
      events.onopen = () => { said.textContent = "live"; };
      events.onerror = () => { said.textContent = "no answer from the server; trying again"; };
      events.onmessage = hear;
    };
    document.addEventListener("visibilitychange", follow);
    follow();
  }
})();
