// SPDX-License-Identifier: Apache-2.0
// The page of the gallery: published figures beside predictions.
"use strict";

// A ratio as people say it: x1.5, and x1/1.5 where it is less than one.
const timesText = (ratio) => (ratio >= 1 ? `x${Number(ratio.toPrecision(3))}` : `x1/${Number((1 / ratio).toPrecision(3))}`);
const ratioTicks = [1 / 10, 1 / 5, 1 / 3, 1 / 2, 1 / 1.5, 1 / 1.2, 1, 1.2, 1.5, 2, 3, 5, 10];

function galleryPage(first, main) {
  const figuresOf = page.figures;
  const rated = (lines) => lines.filter((each) => each.published_gbps !== null);
  // A series for each profile: so many colours and marks can be told apart, not one for each machine.
  const profiles = distinct(figuresOf.map((each) => each.profile));
  profiles.forEach((profile, i) => styles.set(profile, styleOf(i)));
  const hidden = new Set();
  const names = element("ul", { class: "legend", "aria-label": "profiles of costs" });
  const charts = element("div", { class: "charts" });
  const shown = () => figuresOf.filter((each) => !hidden.has(each.profile)).map((each) => ({ ...each,
    title: `${each.machine}: ${each.figure}\npublished ${numberText(each.published)} ${each.unit}\npredicted ${numberText(each.predicted)} (${numberText(each.low)} to ${numberText(each.high)}), ${percentText(each.error_pct)} %` }));
  const dots = (points, at) => d3.groups(points, (point) => point.profile).map(([profile, own]) =>
    Plot.dot(own, { ...at, symbol: styles.get(profile).symbol, fill: styles.get(profile).colour, stroke: "var(--bg)", strokeWidth: 0.7, r: 4.5, ariaDescription: profile }));
  const fields = ["machine", "profile", "figure", "kind", "size_bytes", "unit", "published", "predicted", "low", "high", "error_pct"];
  const table = () => ({ columns: fields, lines: shown().map((each) => fields.map((field) => each[field])) });
  legend(names, profiles, hidden, redrawAll);
  first.append(names, charts);
  const ends = widened(d3.extent(rated(figuresOf).flatMap((each) => [each.published_gbps, each.predicted_gbps])));
  const axis = { type: "log", domain: ends, ticks: decadeTicks(ends), tickFormat: tickText, grid: true };
  const style = { fontSize: "12px", background: "transparent" };
  const diagonal = ends.map((end) => ({ x: end, y: end, low: end / 1.15, high: end * 1.15 }));
  figure(charts, { name: "published", title: "Predicted against published", note: "On the line: equal. The band: within 15 %.", table,
    draw: (width) => Plot.plot({ width, height: Math.min(480, Math.max(300, width)), marginLeft: tickRoom(axis.ticks), marginBottom: 46, marginTop: 26, marginRight: 24, style, clip: true,
      x: { ...axis, ticks: decadeTicks(ends).filter((tick, i, all) => width > 500 || i % 2 === 0), labelOffset: 40, label: "published (GB/s) →" }, y: { ...axis, label: "↑ predicted (GB/s)" },
      marks: [Plot.areaY(diagonal, { x: "x", y1: "low", y2: "high", fill: "var(--soft)", fillOpacity: 0.14, clip: true }), Plot.line(diagonal, { x: "x", y: "y", stroke: "var(--soft)" }),
        ...dots(rated(shown()), { x: "published_gbps", y: "predicted_gbps" }),
        Plot.tip(rated(shown()), Plot.pointer({ x: "published_gbps", y: "predicted_gbps", title: "title", fill: "var(--card)" }))] }) });
  const far = d3.extent(figuresOf, (each) => each.speed);
  const ratioDomain = [Math.min(1 / 1.3, far[0] / 1.05), Math.max(1.3, far[1] * 1.05)];
  const ratioScale = (room) => {
    const within = ratioTicks.filter((tick) => tick >= ratioDomain[0] && tick <= ratioDomain[1]);
    return { type: "log", domain: ratioDomain, ticks: within.length * 46 > room ? within.filter((tick) => [1 / 5, 1 / 2, 1, 2, 5].includes(tick)) : within, tickFormat: timesText };
  };
  figure(charts, { name: "errors", title: "Errors by machine", note: "Right of the line: predicted faster than published. The band: within 15 %.", table,
    draw: (width) => {
      const points = shown();
      const machines = distinct(figuresOf.map((each) => each.machine));
      const left = longNames(machines, width);
      return Plot.plot({ width, height: 70 + Math.max(17, Math.min(26, 400 / machines.length)) * machines.length, marginLeft: left, marginBottom: 46, marginRight: 24, style,
        x: { ...ratioScale(width - left), labelOffset: 40, label: "speed predicted / published →", grid: true }, y: { domain: machines, label: null, tickFormat: cutTo(left), grid: true },
        marks: [Plot.rect([0], { x1: 1 / 1.15, x2: 1.15, fill: "var(--soft)", fillOpacity: 0.14 }), Plot.ruleX([1]), ...dots(points, { x: "speed", y: "machine" }),
          Plot.tip(points, Plot.pointer({ x: "speed", y: "machine", title: "title", fill: "var(--card)" }))] });
    } });
  const column = (name, key, text, left) => ({ name, value: (each) => each[key], text: (each) => text(each[key]), left });
  redrawAll();
  main.append(element("h2", {}, "Figures"));
  rowTable(main, { lines: figuresOf, name: "figures", marked: () => false, columns: [column("machine", "machine", String, true), column("profile", "profile", String, true), column("figure", "figure", String, true),
    column("kind", "kind", String, true), column("size", "size_bytes", sizeText), column("published", "published", numberText), column("predicted", "predicted", numberText),
    column("unit", "unit", String, true), column("error %", "error_pct", percentText), column("from", "low", numberText), column("to", "high", numberText), column("note", "note", String, true)] });
}
