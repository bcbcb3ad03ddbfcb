// SPDX-License-Identifier: Apache-2.0
// The table: sorted by a click on its head, filtered by words, drawn as far as it is scrolled.
"use strict";

const chunk = 150;

// `columns`: {name, value(row), text(row), left, bad(row)}.
function rowTable(parent, { lines, columns, name, marked }) {
  let sorted = { column: -1, rising: true };
  let shown = lines;
  let drawn = 0;
  const words = element("input", { type: "search", placeholder: "ring 1 MiB", "aria-label": "show rows with these words", oninput: () => refresh() });
  const count = element("span", { class: "soft", role: "status" });
  const body = element("tbody");
  const heads = columns.map((column, c) =>
    element("th", { scope: "col", class: column.left ? "name" : "" }, element("button", { type: "button", class: "keep", onclick: () => sortBy(c) }, column.name)));
  const box = element("div", { class: "rows", tabindex: "0", role: "region", "aria-label": "rows" },
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body));
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
    drawn = 0;
    body.replaceChildren();
    box.scrollTop = 0;
    more(chunk);
    count.textContent = `${shown.length} of ${lines.length} rows`;
  }

  function more(number) {
    const html = document.createDocumentFragment();
    for (const line of shown.slice(drawn, drawn + number)) {
      const row = element("tr", marked(line) ? { class: "winner" } : {});
      columns.forEach((column, c) => {
        const cell = document.createElement("td");
        cell.textContent = column.text(line);
        const kinds = [column.left ? "name" : "", c === 0 ? "first" : "", column.bad?.(line) ? "bad" : ""].filter(Boolean).join(" ");
        if (kinds) cell.className = kinds;
        row.append(cell);
      });
      html.append(row);
    }
    body.append(html);
    drawn = Math.min(shown.length, drawn + number);
  }

  box.addEventListener("scroll", () => {
    while (drawn < shown.length && box.scrollTop + 2 * box.clientHeight > box.scrollHeight) more(chunk);
  });
  window.addEventListener("beforeprint", () => more(1000));
  refresh();
}
