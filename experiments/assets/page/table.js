// SPDX-License-Identifier: Apache-2.0
// The table: sorted by a click on its head, filtered by words. Of its rows only those in view are there, so that 10,000 scroll as fast as 10.
"use strict";

const beyondView = 30;  // rows drawn above and below what is seen
const mostPrinted = 1000;

// `columns`: {name, value(row), text(row), left, bad(row)}.
function rowTable(parent, { lines, columns, name, marked }) {
  let sorted = { column: -1, rising: true };
  let shown = lines;
  let rowHeight = 0;
  const words = element("input", { type: "search", placeholder: "ring 1 MiB", "aria-label": "show rows with these words", oninput: () => refresh() });
  const count = element("span", { class: "soft", role: "status" });
  const body = element("tbody");
  // Columns are as wide as their longest text: they must not move while rows come and go.
  const longest = columns.map((column) => d3.greatest(lines.map((line) => column.text(line)), (text) => text.length) ?? "");
  const widths = columns.map((column, c) => Math.ceil(22 + Math.max(textWidth(longest[c], 15), textWidth(column.name, 16))));
  const heads = columns.map((column, c) =>
    element("th", { scope: "col", class: column.left ? "name" : "" }, element("button", { type: "button", class: "keep", onclick: () => sortBy(c) }, column.name),
      element("span", { class: "paper", "aria-hidden": "true" }, column.name)));
  const box = element("div", { class: "rows", tabindex: "0", role: "region", "aria-label": "rows" },
    element("table", { style: `table-layout:fixed;width:${d3.sum(widths)}px` },
      element("colgroup", {}, ...widths.map((width) => element("col", { style: `width:${width}px` }))), element("thead", {}, element("tr", {}, ...heads)), body));
  const csv = element("button", { type: "button",
    onclick: () => save(`${name}.csv`, "text/csv", csvText(columns.map((column) => column.name), shown.map((line) => columns.map((column) => column.value(line))))) }, "CSV of these rows");
  parent.append(element("div", { class: "controls" }, element("label", {}, "Rows with", words), csv, count), box);
  const texts = new Map();
  const textOf = (line) => {
    if (!texts.has(line)) texts.set(line, columns.map((column) => column.text(line)).join(" ").toLowerCase());
    return texts.get(line);
  };

  function sortBy(c) {
    sorted = { column: c, rising: sorted.column === c ? !sorted.rising : true };
    heads.forEach((head, h) => (h === c ? head.setAttribute("aria-sort", sorted.rising ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
    refresh();
  }

  function refresh() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = wanted.length === 0 ? lines : lines.filter((line) => wanted.every((word) => textOf(line).includes(word)));
    if (sorted.column >= 0) {
      const value = columns[sorted.column].value;
      const order = sorted.rising ? d3.ascending : d3.descending;
      const missing = (line) => { const one = value(line); return one === null || one === undefined; };
      shown = [...shown].sort((a, b) => missing(a) - missing(b) || order(value(a), value(b)));
    }
    box.scrollTop = 0;
    draw();
    count.textContent = `${shown.length} of ${lines.length} rows`;
  }

  function rowOf(line) {
    const row = element("tr", marked(line) ? { class: "winner" } : {});
    columns.forEach((column, c) => {
      const cell = document.createElement("td");
      cell.textContent = column.text(line);
      const kinds = [column.left ? "name" : "", column.left && longest[c].length > 24 ? "long" : "", c === 0 ? "first" : "", column.bad?.(line) ? "bad" : ""].filter(Boolean).join(" ");
      if (kinds) cell.className = kinds;
      row.append(cell);
    });
    return row;
  }

  const space = (rows) => element("tr", { class: "space", style: `height:${rows * rowHeight}px` });

  // The rows from `first` on, `number` of them, with room for the others.
  function fill(first, number) {
    const some = shown.slice(first, first + number);
    const after = shown.length - first - some.length;
    body.replaceChildren(...(first > 0 ? [space(first)] : []), ...some.map(rowOf), ...(after > 0 ? [space(after)] : []));
  }

  function draw() {
    if (rowHeight === 0) {
      fill(0, 1);
      rowHeight = body.firstElementChild?.getBoundingClientRect().height ?? 0;
    }
    if (rowHeight === 0) return fill(0, 0);
    const first = Math.max(0, Math.floor(box.scrollTop / rowHeight) - beyondView);
    fill(first, Math.ceil(box.clientHeight / rowHeight) + 2 * beyondView);
  }

  box.addEventListener("scroll", () => requestAnimationFrame(draw));
  window.addEventListener("beforeprint", () => {
    const height = rowHeight;
    rowHeight = 0;
    fill(0, mostPrinted);
    rowHeight = height;
  });
  window.addEventListener("afterprint", draw);
  refresh();
}
