// SPDX-License-Identifier: Apache-2.0
// What the page shows, and how numbers are written.
"use strict";

const page = JSON.parse(document.getElementById("data").textContent);

// Rows are lists of values in the order of `keys`; `cell` names where a row stands in a sweep.
const rows = (page.rows ?? []).map((values) => {
  const row = Object.fromEntries(page.keys.map((key, i) => [key, values[i]]));
  row.cell = Object.entries(row.axes ?? {}).map(([axis, value]) => `${axis} ${value}`).join(", ");
  return row;
});

// What was simulated of single rows.
const views = (page.views ?? []).map(({ cell, view }) => ({ ...view, name: cell ? `${view.name}, ${cell}` : view.name }));

const distinct = (values) => [...new Set(values)];

function sizeText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit + 1 < units.length) { bytes /= 1024; unit += 1; }
  return `${Number.isInteger(bytes) ? bytes : Number(bytes.toPrecision(4))} ${units[unit]}`;
}

const [whole, tenths, hundredths, threeDigits, signed] = [",.0f", ".1f", ".2f", ".3~r", "+.1f"].map(d3.format);

// As people write numbers: three or four digits that count, no exponents.
function numberText(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  const size = Math.abs(value);
  if (size >= 1000) return whole(value);
  if (size >= 100) return tenths(value);
  if (size >= 1 || size === 0) return hundredths(value);
  return threeDigits(value);
}

const percentText = (value) => (value === null || value === undefined ? "-" : signed(value));

function csvText(columns, lines) {
  const field = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...lines].map((line) => line.map(field).join(",")).join("\n") + "\n";
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function save(name, type, text) {
  const link = element("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The drawing as a file of its own: the page's colours are written out, as the file has no style sheet.
function svgText(svg) {
  const style = getComputedStyle(document.documentElement);
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("style", `background:${style.getPropertyValue("--bg").trim()};color:${style.getPropertyValue("--ink").trim()}`);
  copy.setAttribute("font-family", "DejaVu Sans, Helvetica, Arial, sans-serif");
  const markup = new XMLSerializer().serializeToString(copy);
  return markup.replace(/var\((--[\w-]+)\)/g, (all, name) => style.getPropertyValue(name).trim() || all);
}
