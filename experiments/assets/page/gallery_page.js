// SPDX-License-Identifier: Apache-2.0
// The page of the gallery: published figures beside predictions.
"use strict";

function galleryPage(main) {
  const figuresOf = page.figures;
  const machines = distinct(figuresOf.map((each) => each.machine));
  machines.forEach((machine, i) => styles.set(machine, styleOf(i)));
  const hidden = new Set();
  const names = element("ul", { class: "legend", "aria-label": "machines" });
  const charts = element("div", { class: "charts" });
  const shown = () => figuresOf.filter((each) => !hidden.has(each.machine)).map((each) => ({ ...each,
    title: `${each.machine}: ${each.figure}\npublished ${numberText(each.published_gbps)} GB/s\npredicted ${numberText(each.predicted_gbps)} GB/s (${percentText(each.error_pct)} %)` }));
  const dots = (points, at) => d3.groups(points, (point) => point.machine).map(([machine, own]) =>
    Plot.dot(own, { ...at, symbol: styles.get(machine).symbol, fill: styles.get(machine).colour, stroke: "var(--bg)", strokeWidth: 0.7, r: 5 }));
  const table = () => ({ columns: ["machine", "figure", "kind", "size_bytes", "published_gbps", "predicted_gbps", "error_pct"],
    lines: shown().map((each) => [each.machine, each.figure, each.kind, each.size_bytes, each.published_gbps, each.predicted_gbps, each.error_pct]) });
  legend(names, machines, hidden, redrawAll);
  main.append(element("h2", {}, "Published and predicted"), names, charts);
  const ends = widened(d3.extent(figuresOf.flatMap((each) => [each.published_gbps, each.predicted_gbps])));
  const axis = { type: "log", domain: ends, ticks: decadeTicks(ends), tickFormat: tickText, grid: true };
  const style = { fontSize: "12px", background: "transparent" };
  const diagonal = ends.map((end) => ({ x: end, y: end, low: end / 1.15, high: end * 1.15 }));
  figure(charts, { name: "published", title: "Predicted against published", note: "On the line: equal. The band: within 15 %.", table,
    draw: (width) => Plot.plot({ width, height: Math.min(480, Math.max(300, width)), marginLeft: tickRoom(axis.ticks), marginBottom: 42, marginTop: 26, marginRight: 24, style, clip: true,
      x: { ...axis, ticks: decadeTicks(ends).filter((tick, i, all) => width > 500 || i % 2 === 0), label: "published (GB/s) →" }, y: { ...axis, label: "↑ predicted (GB/s)" },
      marks: [Plot.areaY(diagonal, { x: "x", y1: "low", y2: "high", fill: "var(--soft)", fillOpacity: 0.14, clip: true }), Plot.line(diagonal, { x: "x", y: "y", stroke: "var(--soft)" }),
        ...dots(shown(), { x: "published_gbps", y: "predicted_gbps" }),
        Plot.tip(shown(), Plot.pointer({ x: "published_gbps", y: "predicted_gbps", title: "title", fill: "var(--card)" }))] }) });
  figure(charts, { name: "errors", title: "Errors by machine", note: "Right of the line: predicted faster than published. The band: within 15 %.", table,
    draw: (width) => {
      const left = longNames(machines, width);
      return Plot.plot({ width, height: 70 + 26 * machines.length, marginLeft: left, marginBottom: 42, marginRight: 24, style,
        x: { label: "(predicted - published) / published (%) →", grid: true, ticks: Math.max(3, Math.floor((width - left) / 60)) }, y: { domain: machines, label: null, tickFormat: cutTo(left) },
        marks: [Plot.rect([0], { x1: -15, x2: 15, fill: "var(--soft)", fillOpacity: 0.14 }), Plot.ruleX([0]), ...dots(shown(), { x: "error_pct", y: "machine" }),
          Plot.tip(shown(), Plot.pointer({ x: "error_pct", y: "machine", title: "title", fill: "var(--card)" }))] });
    } });
  const column = (name, key, text, left) => ({ name, value: (each) => each[key], text: (each) => text(each[key]), left });
  redrawAll();
  main.append(element("h2", {}, "Figures"));
  rowTable(main, { lines: figuresOf, name: "figures", marked: () => false, columns: [column("machine", "machine", String, true), column("figure", "figure", String, true),
    column("kind", "kind", String, true), column("size", "size_bytes", sizeText), column("published GB/s", "published_gbps", numberText),
    column("predicted GB/s", "predicted_gbps", numberText), column("error %", "error_pct", percentText), column("note", "note", String, true)] });
}
