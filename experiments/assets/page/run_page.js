// SPDX-License-Identifier: Apache-2.0
// The page of a run or a sweep: charts of a chosen collective and cell, what was simulated of a chosen row, all rows.
"use strict";

const symbols = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"];
const dashes = [null, "7 3", "2 2.5", "9 3 2 3", "5 2 1.5 2 1.5 2"];
const colours = d3.range(8).map((i) => `var(--s${i})`);
// Mark and dash differ from any other of 35 series, whatever is seen of the colour.
const styleOf = (i) => ({ colour: colours[i % colours.length], symbol: symbols[i % symbols.length], dash: dashes[i % dashes.length] });

const referenceNames = { nccl_model: "NCCL, by its formula" };
const isMeasured = (row) => row.clock === "device";
const seriesName = (row) => (row.executor.startsWith("nccl") && isMeasured(row) ? `NCCL, measured (${row.executor})` : referenceNames[row.algorithm] ?? row.algorithm);
const chartedRows = rows.filter((row) => row.clock !== "host" && row.time_us !== null);
// One style a name on the whole page; ours first.
const allNames = distinct(chartedRows.map(seriesName)).sort((a, b) => a.startsWith("NCCL") - b.startsWith("NCCL"));
const styles = new Map(allNames.map((name, i) => [name, styleOf(i)]));
// What `auto` chose lies under the line of the algorithm that it chose; its own mark stands where no other series has that plan.
if (styles.has("auto")) Object.assign(styles.get("auto"), { dash: null, width: 8, opacity: 0.3 });
styles.set("lower bound", { colour: "var(--soft)", symbol: null, dash: "1 3", width: 2.4 });

// By rate, what takes longer is lower.
function pointOf(row, rate) {
  const factor = row.time_us > 0 ? row.busbw_gbps * row.time_us : null;
  const of = (us) => (us === null || us === undefined ? null : rate ? factor / us : us);
  const ends = isMeasured(row) ? d3.extent(row.repeats_us ?? []) : [row.predicted_low_us, row.predicted_high_us];
  const [low, high] = rate ? [of(ends[1]), of(ends[0])] : ends;
  const title = `${seriesName(row)}${isMeasured(row) ? ` on ${row.executor}` : ", predicted"}\n${sizeText(row.size_bytes)}: ${numberText(row.time_us)} us` +
    `${ends[0] ? ` (${numberText(ends[0])} to ${numberText(ends[1])})` : ""}\nbusbw ${numberText(row.busbw_gbps)} GB/s${row.chosen ? `\nchose ${row.chosen}` : ""}${(row.disturbed ?? []).map((reason) => `\ndisturbed: ${reason}`).join("")}`;
  return { name: seriesName(row), size: row.size_bytes, y: of(row.time_us), low, high, title, error: row.error_pct, row };
}

// A size that a series lacks is a gap, not a line over it.
function withGaps(points, sizes) {
  if (points.length === 0) return [];
  const at = d3.group(points, (point) => point.size);
  return sizes.flatMap((size) => at.get(size) ?? [{ size, y: NaN }]);
}

function seriesOf(chosen, rate, hidden) {
  const points = chosen.map((row) => pointOf(row, rate)).filter((point) => point.size > 0);
  const sizes = distinct(points.map((point) => point.size)).sort(d3.ascending);
  const others = new Set(points.filter((point) => point.name !== "auto").map((point) => `${point.size} ${point.y}`));
  for (const point of points) point.elsewhere = point.name === "auto" && others.has(`${point.size} ${point.y}`);
  const series = d3.groups(points, (point) => point.name).map(([name, own]) => ({ name, style: styles.get(name),
    predicted: withGaps(own.filter((point) => !isMeasured(point.row)), sizes), measured: own.filter((point) => isMeasured(point.row)) }));
  const bounds = d3.rollups(chosen.filter((row) => row.bound_us > 0 && row.time_us > 0 && row.size_bytes > 0), (own) => own[0], (row) => row.size_bytes)
    .map(([size, row]) => ({ name: "lower bound", size, y: rate ? (row.busbw_gbps * row.time_us) / row.bound_us : row.bound_us,
      title: `lower bound: no schedule is faster\n${sizeText(size)}: ${numberText(row.bound_us)} us` })).sort((a, b) => a.size - b.size);
  if (bounds.length > 0) series.push({ name: "lower bound", style: styles.get("lower bound"), predicted: bounds, measured: [] });
  const place = ({ name }) => (name === "auto" ? -1 : allNames.indexOf(name));
  return series.sort((a, b) => place(a) - place(b)).filter((each) => !hidden.has(each.name));
}

function swatch({ colour, symbol, dash, width, opacity }) {
  const at = [{ x: 0 }, { x: 1 }];
  return Plot.plot({ width: 46, height: 16, margin: 0, axis: null, x: { domain: [0, 1], range: [2, 44] }, y: { domain: [0, 1] }, style: { background: "transparent" },
    marks: [Plot.line(at, { x: "x", y: 0.5, stroke: colour, strokeDasharray: dash, strokeWidth: width ?? 1.8, strokeOpacity: opacity }),
      symbol ? Plot.dot([{ x: 0.5 }], { x: "x", y: 0.5, symbol, stroke: colour, fill: "var(--bg)", r: 3.6, strokeWidth: 1.5 }) : null] });
}

// Under the pointer one series stands out from the others.
function pointOut(name) {
  for (const mark of document.querySelectorAll(".charts [aria-description]"))
    mark.style.opacity = name === null || mark.getAttribute("aria-description") === name ? "" : "0.12";
}

function legend(parent, names, hidden, changed) {
  parent.replaceChildren(...names.map((name) => {
    const button = element("button", { type: "button", class: "keep", "aria-pressed": String(!hidden.has(name)), title: "show or hide" });
    const picture = swatch(styles.get(name));
    picture.setAttribute("aria-hidden", "true");
    button.append(picture, name);
    button.addEventListener("click", () => {
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      pointOut(null);
      changed();
    });
    button.addEventListener("pointerenter", () => pointOut(hidden.has(name) ? null : name));
    button.addEventListener("pointerleave", () => pointOut(null));
    return element("li", {}, button);
  }));
}

function choice(parent, label, options, changed) {
  const select = element("select", { onchange: () => changed(options[select.selectedIndex]) }, ...options.map((option) => element("option", {}, option.text ?? option)));
  if (options.length > 1) parent.append(element("label", {}, label, select));
}

const pointTable = (series, unit) => () => ({ columns: ["series", "kind", "size_bytes", unit, `low_${unit}`, `high_${unit}`],
  lines: series().flatMap((each) => [...each.predicted.map((point) => [each.name, "predicted", point]), ...each.measured.map((point) => [each.name, "measured", point])])
    .filter(([, , point]) => !Number.isNaN(point.y)).map(([name, kind, point]) => [name, kind, point.size, point.y, point.low, point.high]) });

// Winners of all cells, where there are several.
function winnerChart(chosen, cells, width) {
  const points = chosen.filter((row) => row.winner && cells.includes(row.cell) && row.size_bytes > 0).map((row) => ({ size: row.size_bytes, cell: row.cell,
    style: styles.get(row.algorithm), title: `${row.cell}\n${sizeText(row.size_bytes)}: ${row.chosen || row.algorithm}, ${numberText(row.predicted_us)} us` }));
  const left = longNames(cells, width);
  return Plot.plot({
    width, height: 60 + 22 * cells.length, marginLeft: left, marginRight: 24, marginBottom: 40, style: { fontSize: "12px", background: "transparent" },
    x: sizeScale(points.map((point) => point.size), width - left), y: { domain: cells, label: null, tickFormat: cutTo(left) }, symbol: { type: "identity" },
    marks: [Plot.dot(points, { x: "size", y: "cell", symbol: (point) => point.style.symbol, fill: (point) => point.style.colour, r: 6 }), tip(points, { y: "cell" })],
  });
}

function showCharts(parent, state, hidden) {
  const chosen = chartedRows.filter((row) => row.collective === state.collective && row.cell === state.cell);
  const of = `${state.collective}${state.cell ? `, ${state.cell}` : ""}`;
  const series = (rate) => () => seriesOf(chosen, rate, hidden);
  parent.replaceChildren();
  if (chosen.length === 0) return parent.append(element("p", {}, `No times of ${of}.`));
  const note = `Lines and hollow marks: predicted, with the interval of the profile as a band.${chosen.some(isMeasured) ? " Filled marks: measured on GPUs, with the spread of their repeats." : ""}` +
    `${chosen.some((row) => row.algorithm === "auto") ? " The broad pale line: what auto chose." : ""}`;
  figure(parent, { name: "time", title: `Time of ${of}`, note, draw: (width) => curveChart(series(false)(), "time (us)", width), table: pointTable(series(false), "us") });
  figure(parent, { name: "busbw", title: `Bus bandwidth of ${of}`, note: "busbw: payload a second times nccl-tests' factor, which makes figures of different GPU counts comparable.",
    draw: (width) => curveChart(series(true)(), "busbw (GB/s)", width), table: pointTable(series(true), "gbps") });
  if (chosen.some((row) => row.error_pct !== null)) {
    figure(parent, { name: "errors", title: `Errors of predictions of ${of}`, note: "Above the line: predicted slower than it was.", draw: (width) => errorChart(series(false)(), width),
      table: () => ({ columns: ["series", "size_bytes", "error_pct"], lines: series(false)().flatMap((each) => each.measured.map((point) => [each.name, point.size, point.error])) }) });
  }
  const least = d3.rollup(chosen, (own) => d3.min(own, (row) => row.time_us), (row) => row.size_bytes);
  const ratios = () => chosen.filter((row) => row.size_bytes > 0 && !hidden.has(seriesName(row))).map((row) => ({ size: row.size_bytes, name: `${seriesName(row)}${isMeasured(row) ? " *" : ""}`,
    ratio: row.time_us / least.get(row.size_bytes), title: `${seriesName(row)} at ${sizeText(row.size_bytes)}\n${numberText(row.time_us / least.get(row.size_bytes))} times the least` }));
  figure(parent, { name: "ratios", wide: !chosen.some((row) => row.error_pct !== null), title: `How many times the least time of its size, ${of}`, note: () => `${moreIs()}: slower. A star: measured.`, draw: (width) => ratioChart(ratios(), width),
    table: () => ({ columns: ["series", "size_bytes", "times_the_least"], lines: ratios().map((point) => [point.name, point.size, point.ratio]) }) });
}

function rowColumns() {
  const column = (name, key, text, left) => ({ name, value: (row) => row[key], text: (row) => text(row[key], row), left });
  const us = numberText;
  const axes = distinct(rows.flatMap((row) => Object.keys(row.axes ?? {})));
  const several = (key) => distinct(rows.map((row) => row[key])).length > 1;
  const interval = (value, row) => (row.predicted_low_us ? `${us(value)} (${us(row.predicted_low_us)} to ${us(row.predicted_high_us)})` : us(value));
  const bound = (row) => (row.bound_us > 0 && row.predicted_us > 0 ? (100 * row.bound_us) / row.predicted_us : null);
  const measured = { name: "measured us", value: (row) => (row.clock === "simulated" ? null : row.time_us), text: (row) => (row.clock === "simulated" ? "-" : `${us(row.time_us)}${row.clock === "host" ? " (CPU)" : ""}${row.disturbed?.length ? " (disturbed)" : ""}`) };
  const columns = [column("size", "size_bytes", sizeText), column("algorithm", "algorithm", (name, row) => (row.chosen ? `${name} (${row.chosen})` : name), true),
    ...(several("collective") ? [column("collective", "collective", String, true)] : []), ...(several("dtype") ? [column("type", "dtype", String, true)] : []),
    ...axes.map((axis) => ({ name: axis, value: (row) => row.axes?.[axis], text: (row) => row.axes?.[axis] ?? "", left: true })),
    column("executor", "executor", String, true), column("predicted us", "predicted_us", interval), measured, column("algbw GB/s", "algbw_gbps", us),
    column("busbw GB/s", "busbw_gbps", us), column("error %", "error_pct", percentText),
    { name: "% of bound", value: bound, text: (row) => { const share = bound(row); return share === null ? "-" : tenths(share); } },
    column("blocks", "thread_blocks", String), column("protocol", "protocol", String, true), column("proved", "verified", (yes) => (yes ? "yes" : "no"), true),
    { name: "data", value: (row) => row.data?.passed, text: (row) => (row.data ? (row.data.passed ? "ok" : "WRONG") : "-"), left: true, bad: (row) => row.data?.passed === false }];
  // A column that says nothing of any row leaves.
  return columns.filter(({ text }) => rows.some((row) => !["", "-"].includes(text(row))));
}

const rowWords = "A star: least predicted time of its size. algbw: payload a second. busbw: algbw times nccl-tests' factor, which makes figures of different GPU counts comparable. " +
  "% of bound: least time that any schedule needs / predicted. blocks: thread blocks per GPU. (CPU): on CPU threads, which only shows that the data is right.";

function runPage(first, main) {
  const collectives = distinct(rows.map((row) => row.collective));
  const cells = distinct(rows.map((row) => row.cell));
  const state = { collective: collectives[0], cell: cells[0] };
  const hidden = new Set();
  const controls = element("div", { class: "controls" });
  const names = element("ul", { class: "legend", "aria-label": "series" });
  const overview = element("div", { class: "charts" });
  const charts = element("div", { class: "charts" });
  const show = () => {
    showCharts(charts, state, hidden);
    redrawAll();
  };
  const showAll = () => {
    const inUse = new Set(chartedRows.filter((row) => row.collective === state.collective).map(seriesName));
    legend(names, [...allNames.filter((name) => inUse.has(name)), ...(rows.some((row) => row.bound_us > 0) ? ["lower bound"] : [])], hidden, redrawAll);
    const some = cells.slice(0, 60);
    overview.replaceChildren();
    if (cells.length > 1) {
      const chosen = chartedRows.filter((row) => row.collective === state.collective);
      figure(overview, { name: "winners", wide: true, title: `Predicted fastest of each cell, ${state.collective}`, note: cells.length > some.length ? `The first ${some.length} of ${cells.length} cells.` : "",
        draw: (width) => winnerChart(chosen, some, width), table: () => ({ columns: ["cell", "size_bytes", "algorithm", "predicted_us"],
          lines: chosen.filter((row) => row.winner).map((row) => [row.cell, row.size_bytes, row.chosen || row.algorithm, row.predicted_us]) }) });
    }
    show();
  };
  choice(controls, "Collective", collectives, (chosen) => { state.collective = chosen; showAll(); });
  choice(controls, "Cell", cells, (chosen) => { state.cell = chosen; show(); });
  first.append(controls, names, overview, charts);
  showAll();
  // The largest first: that is where links are busy.
  views.reverse();
  if (views.length > 0) {
    const viewControls = element("div", { class: "controls" });
    const drawn = element("div", { class: "charts" });
    choice(viewControls, "Row", views.map((view) => ({ text: view.name, view })), (chosen) => { showView(drawn, chosen.view); redrawAll(); });
    main.append(element("h2", {}, "Machine, links and time of a row"), viewControls, drawn);
    if (page.views_left_out > 0) main.append(element("p", { class: "soft" }, `${page.views_left_out} more recorded rows have their traces beside this page.`));
    showView(drawn, views[0]);
  }
  main.append(element("h2", {}, "Rows"), element("p", { class: "soft" }, rowWords));
  redrawAll();
  rowTable(main, { lines: rows, columns: rowColumns(), name: "rows", marked: (row) => row.winner });
}
