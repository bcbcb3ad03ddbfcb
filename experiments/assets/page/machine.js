// SPDX-License-Identifier: Apache-2.0
// What was simulated of a chosen row: the machine with its load, its links over time, its thread blocks over time.
"use strict";

// Links of one sort that have less than the rest of it: an NVLink is lost, or a board is built so. They are drawn broken, with their rate.
function slowerLinks(view) {
  // What more than half of a sort have; where nothing has, there is no such rest.
  const usual = (links) => { const gbps = d3.mode(links, (link) => link.gbps); return 2 * links.filter((link) => link.gbps === gbps).length > links.length ? gbps : 0; };
  const sorts = d3.rollup(view.links, usual, (link) => link.sort);
  return view.links.filter((link) => link.gbps < sorts.get(link.sort) * 0.999);
}

function machineChart(view, width) {
  const box = view.box;
  const scale = Math.min(1.3, (width - 16) / box.width);
  const height = Math.max(80, Math.round(box.height * scale) + 30);
  const slower = new Set(slowerLinks(view));
  const left = Math.max(8, (width - box.width * scale) / 2);
  const widest = d3.max(view.links, (link) => link.gbps);
  const colour = (link) => shade(0.25 + 0.75 * link.load);
  const line = { x1: "x1", y1: "y1", x2: "x2", y2: "y2", stroke: colour, strokeWidth: (link) => 1 + 6 * Math.sqrt(link.gbps / widest) };
  const title = (link) => `${link.name}\n${numberText(link.gbps)} GB/s ${link.sort}\nbusy ${d3.format(".0f")(100 * link.load)} % of the time\n${sizeText(link.bytes)}`;
  const some = (wanted, bent) => view.links.filter((link) => slower.has(link) === wanted && link.bent === bent);
  const small = box.small || scale < 0.75;
  const gpus = view.nodes.filter((node) => node.kind === "gpu");
  const others = view.nodes.filter((node) => node.kind !== "gpu");
  const label = (node) => (small && node.name.length > 5 ? node.name.replace(/^\D+/, "") || node.name.slice(0, 4) : node.name);
  return Plot.plot({
    width, height, margin: 8, axis: null, style: { fontSize: small ? "10px" : "12px", background: "transparent" },
    x: { domain: [0, box.width], range: [left, left + box.width * scale] }, y: { domain: [0, box.height], range: [8, 8 + box.height * scale] },
    marks: [
      Plot.link(some(false, false), line), Plot.arrow(some(false, true), { ...line, bend: 28, headLength: 0 }),
      Plot.link(some(true, false), { ...line, stroke: "var(--bad)", strokeDasharray: "6 4" }),
      Plot.arrow(some(true, true), { ...line, stroke: "var(--bad)", bend: 28, headLength: 0, strokeDasharray: "6 4" }),
      Plot.rect(others, { x1: (node) => node.x - node.width / 2, x2: (node) => node.x + node.width / 2, y1: (node) => node.y - node.height / 2,
        y2: (node) => node.y + node.height / 2, fill: "var(--card)", stroke: "currentColor", rx: 4 }),
      Plot.dot(gpus, { x: "x", y: "y", r: (gpus[0]?.width ?? 20) / 2 * scale, fill: "var(--bg)", stroke: "currentColor", strokeWidth: 1.5 }),
      Plot.text(view.nodes, { x: "x", y: "y", text: label, fill: "currentColor", stroke: "var(--bg)", strokeWidth: 3 }),
      Plot.text([...slower].slice(0, 12), { x: (link) => (link.x1 + link.x2) / 2, y: (link) => (link.y1 + link.y2) / 2, text: (link) => `${numberText(link.gbps)} GB/s`,
        fill: "var(--bad)", stroke: "var(--bg)", strokeWidth: 4, fontWeight: "bold" }),
      Plot.tip(view.links, Plot.pointer({ x: (link) => (link.x1 + link.x2) / 2, y: (link) => (link.y1 + link.y2) / 2, title, fill: "var(--card)" })),
    ],
  });
}

const columnTime = (view, column) => (view.makespan_us * column) / view.heat.columns;

function heatCells(view) {
  return view.heat.names.flatMap((name, r) => view.heat.busy[r].map((busy, column) => ({ name, busy, column }))).filter((cell) => cell.busy > 0);
}

const timeAxis = (view, end = view.makespan_us) => ({ type: "linear", domain: [0, end], labelOffset: 36, label: "time since the call (us) →" });

function heatChart(view, width) {
  const left = longNames(view.heat.names, width, 11);
  const cells = heatCells(view);
  return Plot.plot({
    width, height: 60 + 15 * view.heat.names.length, marginLeft: left, marginRight: 16, marginBottom: 40, style: { fontSize: "11px", background: "transparent" },
    x: timeAxis(view), y: { domain: view.heat.names, label: null, tickFormat: cutTo(left, 11) },
    marks: [Plot.barX(cells, { x1: (cell) => columnTime(view, cell.column), x2: (cell) => columnTime(view, cell.column + 1), y: "name", fill: (cell) => shade(cell.busy / 100),
      inset: 0, insetTop: 0.5, insetBottom: 0.5 }),
    Plot.tip(cells, Plot.pointer({ x: (cell) => columnTime(view, cell.column + 0.5), y: "name", fill: "var(--card)",
      title: (cell) => `${cell.name}\nfrom ${numberText(columnTime(view, cell.column))} us: busy ${cell.busy} %` }))],
  });
}

// What GPUs measured stands on the predicted timeline's axis, so that both can be compared by eye; CPU threads have one of their own.
const timelineEnd = (view) => Math.max(view.makespan_us, ...view.measured.filter((each) => each.device).map((each) => each.end_us));

function timelineChart(view, width, { tracks, bars }, end) {
  const left = longNames(tracks, width, 11);
  const spans = bars.map(([track, begin, end, step]) => ({ track: tracks[track], begin, end, step }));
  const steps = Math.max(1, d3.max(spans, (span) => span.step) ?? 1);
  return Plot.plot({
    width, height: 60 + 16 * tracks.length, marginLeft: left, marginRight: 16, marginBottom: 40, style: { fontSize: "11px", background: "transparent" },
    x: timeAxis(view, end), y: { domain: tracks, label: null, tickFormat: cutTo(left, 11) },
    marks: [Plot.barX(spans, { x1: "begin", x2: "end", y: "track", insetTop: 1, insetBottom: 1, stroke: "currentColor", strokeWidth: 0.4,
      fill: (span) => (span.step < 0 ? "var(--rule)" : shade(0.2 + 0.6 * (span.step / steps))) }),
    Plot.tip(spans, Plot.pointer({ x: (span) => (span.begin + span.end) / 2, y: "track", fill: "var(--card)",
      title: (span) => `${span.track}, ${span.step < 0 ? "token: this rank has begun" : `step ${span.step}`}\n${numberText(span.begin)} to ${numberText(span.end)} us` }))],
  });
}

function showView(parent, view) {
  const of = `${view.name}, simulated: ${numberText(view.makespan_us)} us.`;
  parent.replaceChildren();
  const slower = slowerLinks(view);
  const slow = slower.length === 0 ? "" : ` Broken lines have less than others of their sort: ${slower.slice(0, 4).map((link) => `${link.name} ${numberText(link.gbps)} GB/s`).join(", ")}${slower.length > 4 ? " and others" : ""}.`;
  figure(parent, { name: "machine", wide: true, title: `${view.machine} under its load`, note: () => `${of} ${moreIs()}: busy for more of the time, in the busier direction. Wider: more bandwidth.${slow}`,
    draw: (width) => machineChart(view, width),
    table: () => ({ columns: ["link", "sort", "gbps", "bytes", "busy_share"], lines: view.links.map((link) => [link.name, link.sort, link.gbps, link.bytes, link.load]) }) });
  figure(parent, { name: "links", title: "Links over time", note: () => `${of} ${moreIs()}: busier. ${view.heat.note}`, draw: (width) => heatChart(view, width),
    table: () => ({ columns: ["link", ...d3.range(view.heat.columns).map((column) => `from_${columnTime(view, column).toFixed(3)}_us`)],
      lines: view.heat.names.map((name, r) => [name, ...view.heat.busy[r].map((busy) => busy / 100)]) }) });
  figure(parent, { name: "timeline", title: "Thread blocks over time", note: () => `${of} From the first slice's work to the last slice's release of each step. ${moreIs()}: later steps. ${view.timeline.note}`,
    draw: (width) => timelineChart(view, width, view.timeline, timelineEnd(view)), table: () => timelineTable(view.timeline) });
  for (const each of view.measured) {
    const whose = each.device ? "" : " CPU threads' times say nothing about GPUs.";
    figure(parent, { name: `timeline_${each.executor}`, title: `Thread blocks over time, measured by ${each.executor}`,
      note: () => `One call of ${view.name}: ${numberText(each.end_us)} us from the first block's begin. From when a block came to a step, its waits included, to the step's end. ${moreIs()}: later steps. ${each.note}${whose}`,
      draw: (width) => timelineChart(view, width, each, each.device ? timelineEnd(view) : each.end_us), table: () => timelineTable(each) });
  }
}

const timelineTable = ({ tracks, bars }) => ({ columns: ["track", "begin_us", "end_us", "step"], lines: bars.map(([track, ...rest]) => [tracks[track], ...rest]) });
