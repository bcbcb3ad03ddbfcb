// SPDX-License-Identifier: Apache-2.0
// Figures with their downloads, and the charts of times, rates, errors and ratios. Observable Plot draws.
"use strict";

let figures = [];

// A figure, which `redrawAll` draws as wide as there is room. `table` gives what is drawn as {columns, lines}; `note` is a text, or gives one.
function figure(parent, { name, title, note, wide, draw, table }) {
  const drawing = element("div", { class: "drawing" });
  const words = element("small");
  const button = (text, label, act) => element("button", { type: "button", "aria-label": `${label} of: ${title}`, onclick: act }, text);
  const caption = element("figcaption", {}, element("strong", {}, title), element("span", { class: "files" },
    button("SVG", "SVG file", () => save(`${name}.svg`, "image/svg+xml", svgText(drawing.querySelector("svg")))),
    button("CSV", "CSV file", () => { const { columns, lines } = table(); save(`${name}.csv`, "text/csv", csvText(columns, lines)); })));
  if (note) caption.append(words);
  const made = element("figure", { id: `figure-${name}` }, caption, drawing);
  if (wide) made.className = "wide";
  parent.append(made);
  const redraw = () => {
    const width = Math.max(280, Math.floor(drawing.clientWidth));
    const svg = draw(width);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", title);
    drawing.replaceChildren(svg);
    words.textContent = typeof note === "function" ? note() : note;
  };
  figures.push({ made, redraw });
}

function redrawAll() {
  figures = figures.filter(({ made }) => made.isConnected);
  for (const { redraw } of figures) redraw();
}

const pen = document.createElement("canvas").getContext("2d");
function textWidth(text, size) {
  pen.font = `${size}px ${getComputedStyle(document.documentElement).fontFamily}`;
  return pen.measureText(text).width;
}

// Room for names at the left of a chart: at most two fifths of it; longer names are cut.
const longNames = (names, width, size = 12) => Math.min(width * 0.4, 16 + d3.max(names, (name) => textWidth(name, size)));
const cutTo = (left, size = 12) => (name) => {
  let cut = name.length;
  while (cut > 3 && textWidth(name.slice(0, cut) + (cut < name.length ? ".." : ""), size) > left - 14) cut -= 1;
  return cut < name.length ? `${name.slice(0, cut)}..` : name;
};

// Powers of two, as many as there is room for.
function sizeTicks(sizes, room) {
  const first = Math.ceil(Math.log2(d3.min(sizes)) - 1e-9);
  const last = Math.floor(Math.log2(d3.max(sizes)) + 1e-9);
  const step = Math.max(1, Math.ceil((last - first + 1) / Math.max(2, Math.floor(room / 58))));
  const ticks = d3.range(first, last + 1, step).map((power) => 2 ** power);
  return ticks.length > 0 ? ticks : [d3.min(sizes)];
}

function decadeTicks([low, high]) {
  const inner = high / low > 300 ? [1] : high / low > 12 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const powers = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  return powers.flatMap((power) => inner.map((step) => step * 10 ** power)).filter((tick) => tick >= low && tick <= high);
}

const widened = ([low, high]) => (low === high ? [low / 1.5, high * 1.5] : [low / 1.06, high * 1.06]);
const tickText = (value) => (value >= 1000 ? d3.format(",.0f")(value) : String(Number(value.toPrecision(3))));

const tickRoom = (ticks) => Math.max(46, 16 + d3.max(ticks, (tick) => textWidth(tickText(tick), 12)));

const sizeScale = (sizes, width) => ({
  type: "log", base: 2, domain: widened(d3.extent(sizes)), ticks: sizeTicks(sizes, width - 80), tickFormat: sizeText, labelOffset: 36, label: "payload (bytes) →",
});

// Predicted: line with band and hollow marks. Measured: filled marks with their spread.
function seriesMarks({ name, style, predicted, measured }) {
  const at = { x: "size", y: "y", ariaDescription: name };
  const band = predicted.filter((point) => point.low > 0 && point.high > point.low);
  const spread = measured.filter((point) => point.high > point.low);
  return [
    Plot.areaY(band, { x: "size", y1: "low", y2: "high", fill: style.colour, fillOpacity: 0.16, ariaDescription: name }),
    Plot.line(predicted, { ...at, stroke: style.colour, strokeWidth: style.width ?? 1.8, strokeOpacity: style.opacity, strokeDasharray: style.dash }),
    style.symbol ? Plot.dot(predicted.filter((point) => !point.elsewhere), { ...at, symbol: style.symbol, stroke: style.colour, fill: "var(--bg)", r: 3.4, strokeWidth: 1.5 }) : null,
    Plot.ruleX(spread, { x: "size", y1: "low", y2: "high", stroke: style.colour, strokeWidth: 1.6, ariaDescription: name }),
    Plot.dot(measured, { ...at, symbol: style.symbol ?? "circle", fill: style.colour, r: 4.5 }),
  ];
}

const tip = (points, at) => Plot.tip(points, Plot.pointer({ x: "size", y: "y", ...at, title: (point) => point.title, fill: "var(--card)" }));

function curveChart(series, yLabel, width) {
  const points = series.flatMap((each) => [...each.predicted, ...each.measured]).filter((point) => point.y > 0);
  const ends = points.flatMap((point) => [point.y, point.low, point.high]).filter((value) => value > 0);
  if (points.length === 0) return emptyChart(width, "no times at sizes above 0 B");
  const domain = widened(d3.extent(ends));
  const ticks = decadeTicks(domain);
  return Plot.plot({
    width, height: Math.round(Math.min(420, Math.max(280, width * 0.62))), marginLeft: tickRoom(ticks), marginBottom: 46, marginTop: 26, marginRight: 24,
    style: { fontSize: "12px", background: "transparent" },
    x: { ...sizeScale(points.map((point) => point.size), width), grid: true },
    y: { type: "log", domain, ticks, tickFormat: tickText, label: `↑ ${yLabel}`, grid: true },
    marks: [...series.flatMap(seriesMarks), tip(points)],
  });
}

function emptyChart(width, words) {
  return Plot.plot({ width, height: 60, axis: null, style: { fontSize: "13px", background: "transparent" },
    marks: [Plot.text([words], { frameAnchor: "left", fill: "currentColor", lineWidth: width / 14 })] });
}

function errorChart(series, width) {
  const shown = series.map((each) => ({ ...each, errors: each.measured.filter((point) => point.error !== null && point.size > 0) }));
  const points = shown.flatMap((each) => each.errors.map((point) => ({ ...point, y: point.error })));
  const worst = Math.max(5, d3.max(points, (point) => Math.abs(point.error)) * 1.1);
  return Plot.plot({
    width, height: 280, marginLeft: 58, marginBottom: 46, marginTop: 26, marginRight: 24, style: { fontSize: "12px", background: "transparent" },
    x: sizeScale(points.map((point) => point.size), width),
    y: { domain: [-worst, worst], label: "↑ (predicted - measured) / measured (%)", grid: true },
    marks: [Plot.ruleY([0]),
      ...shown.map(({ name, style, errors }) => Plot.dot(errors, { x: "size", y: "error", symbol: style.symbol ?? "circle", fill: style.colour, r: 4.5, ariaDescription: name })),
      tip(points)],
  });
}

// Black or white, whichever is read better on a colour.
function inkOn(colour) {
  const { r, g, b } = d3.rgb(colour);
  const linear = (channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) > 0.179 ? "#000000" : "#ffffff";
}

// What is more stands out more from the ground: darker by day and on paper, brighter by night.
const nights = matchMedia("screen and (prefers-color-scheme: dark)");
let printing = false;
const isNight = () => nights.matches && !printing;
const moreIs = () => (isNight() ? "Brighter" : "Darker");
const nightBlues = d3.piecewise(d3.interpolateLab, ["#222f3a", "#2c6a9e", "#9ad4ff"]);
const shade = (share) => {
  const part = Math.min(1, Math.max(0, share));
  return isNight() ? nightBlues(part) : d3.interpolateBlues(0.05 + 0.85 * part);
};

// How many times the best of its size a line takes.
function ratioChart(points, width) {
  const sizes = distinct(points.map((point) => point.size)).sort(d3.ascending);
  const names = distinct(points.map((point) => point.name));
  const left = longNames(names, width);
  const room = (width - left - 12) / sizes.length;
  const every = Math.ceil(52 / room);
  const fill = (point) => shade(Math.log2(point.ratio) / 2);
  return Plot.plot({
    width, height: 60 + 24 * names.length, marginLeft: left, marginRight: 12, marginBottom: 40, style: { fontSize: "12px", background: "transparent" },
    x: { type: "band", domain: sizes, ticks: sizes.filter((size, i) => i % every === 0), tickFormat: sizeText, labelOffset: 36, label: "payload (bytes) →" },
    y: { domain: names, label: null, tickFormat: cutTo(left) },
    marks: [Plot.cell(points, { x: "size", y: "name", fill, inset: 0.5 }),
      room > 30 ? Plot.text(points, { x: "size", y: "name", text: (point) => d3.format(".3~r")(point.ratio), fill: (point) => inkOn(fill(point)) }) : null,
      tip(points, { y: "name" })],
  });
}
