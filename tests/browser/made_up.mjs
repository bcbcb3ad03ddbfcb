// SPDX-License-Identifier: Apache-2.0
// node made_up.mjs REPORT.html MEASURED LARGE: of a report's page two others with rows that no machine without GPUs has: of 14 algorithms, each also
// measured with a spread, one of them with gaps and a size of 0 B; and of 10,000 rows.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [from, measured, large] = process.argv.slice(2);
const html = readFileSync(from, "utf8");
const place = /(<script type="application\/json" id=data>)([\s\S]*?)(<\/script>)/;
const page = JSON.parse(html.match(place)[2]);
const at = Object.fromEntries(page.keys.map((key, i) => [key, i]));
const pattern = page.rows.find((row) => row[at.executor] === "simulator");

function row(changes) {
  const made = [...pattern];
  for (const [key, value] of Object.entries(changes)) made[at[key]] = value;
  return made;
}

function both(algorithm, size, us, axes = null) {
  const common = { algorithm, size_bytes: size, busbw_gbps: (size / us) * 1.5e-3, algbw_gbps: (size / us) * 1e-3, winner: false, chosen: "", data: null, axes };
  const took = us * 1.07;
  return [row({ ...common, winner: algorithm === names[0], executor: "simulator", clock: "simulated", time_us: us, predicted_us: us, predicted_low_us: us * 0.9, predicted_high_us: us * 1.2, error_pct: null }),
    row({ ...common, executor: "cuda", clock: "device", time_us: took, predicted_us: us, error_pct: (us / took - 1) * 100, repeats_us: [took * 0.95, took, took * 1.1],
      data: { passed: true } })];
}

function write(folder, rows) {
  mkdirSync(folder, { recursive: true });
  const data = JSON.stringify({ ...page, rows }).replaceAll("<", "\\u003c");
  writeFileSync(join(folder, "report.html"), html.replace(place, (all, begin, old, end) => begin + data + end));
}

const sizes = Array.from({ length: 20 }, (none, i) => 1024 * 2 ** i);
const names = Array.from({ length: 14 }, (none, i) => `algorithm_${i + 1} with=parameters`);
const us = (size, i) => 3 + i + size / (100e3 - 4e3 * i);
write(measured, names.flatMap((name, i) => (i === 0 ? [0, ...sizes.filter((size, s) => s % 3 !== 1)] : sizes).flatMap((size) => both(name, size, us(size, i)))));
const cells = Array.from({ length: 25 }, (none, i) => ({ machine: `machine ${i + 1}` }));
write(large, cells.flatMap((axes, c) => names.slice(0, 10).flatMap((name, i) => sizes.flatMap((size) => both(name, size, us(size, i + c / 10), axes)))));
