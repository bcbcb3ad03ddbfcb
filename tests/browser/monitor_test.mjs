// SPDX-License-Identifier: Apache-2.0
// The page of `p2plab monitor --serve` in a headless Chromium, while calls are recorded at 10,000 a second: on narrow and wide screens, dark and light;
// every button pressed; no call lost unsaid; memory flat.
// node monitor_test.mjs CHROMIUM PROGRAM WRITER FOLDER SECONDS
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Browser } from "./browser.mjs";

const [chromium, program, writer, folder, seconds] = process.argv.slice(2);
const records = join(folder, "records"), downloads = join(folder, "downloads");
for (const each of [records, downloads]) mkdirSync(each, { recursive: true });

let faults = 0;
const say = (text) => { faults += 1; console.log(text); };
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (page, expression, what) => {
  for (let look = 0; look < 100; ++look) {
    if (await page.evaluate(expression)) return;
    await wait(100);
  }
  say(`not within 10 s: ${what}`);
};
const lines = (child) => createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const text = (page, id) => page.evaluate(`document.getElementById("${id}").textContent`);
const click = (page, id) => page.evaluate(`document.getElementById("${id}").click()`);
const shows = (page, id) => page.evaluate(`document.querySelectorAll("#${id} tbody tr").length`);

// What each button is for; one that is not here is a fault.
const presses = {
  pause: async (page) => {
    await click(page, "pause");
    if ((await text(page, "pause")) !== "Go on") say("Pause does not offer to go on");
    const before = await text(page, "processes");
    await wait(1500);
    if ((await text(page, "processes")) !== before) say("a paused page goes on");
    await click(page, "pause");
    await until(page, `document.getElementById("processes").textContent !== ${JSON.stringify(before)}`, "the page goes on after a pause");
  },
  trace: async (page) => {
    await click(page, "trace");
    const whole = () => readdirSync(downloads).find((name) => name.endsWith(".json"));
    for (let look = 0; look < 300 && !whole(); ++look) await wait(100);
    const trace = whole() ? JSON.parse(readFileSync(join(downloads, whole()), "utf8")) : { traceEvents: [] };
    if (!trace.traceEvents.some((event) => event.name.includes("all_reduce"))) say("Chrome trace gives no trace of the calls");
  },
  "calls-load": async (page) => {
    await click(page, "calls-load");
    await until(page, "document.querySelectorAll('#calls tbody tr').length > 100", "the latest calls are loaded");
    for (const [how, act] of [["a click", "row.click()"], ["the enter key", "row.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }))"]]) {
      await page.evaluate(`{ document.getElementById("call").textContent = ""; const row = document.querySelector("#calls tbody tr"); ${act} }`);
      await until(page, "/step 1 lane 0/.test(document.getElementById('call').textContent)", `${how} on a call shows its steps`);
    }
  },
};

async function look(page, url, width, scheme) {
  await page.send("Emulation.setDeviceMetricsOverride", { width, height: 844, deviceScaleFactor: 1, mobile: false });
  await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  await page.open(url);
  await until(page, "document.querySelectorAll('#charts polyline').length > 0", `latencies are drawn (${width}, ${scheme})`);
  const wide = await page.evaluate("document.documentElement.scrollWidth");
  if (wide > width) say(`the page is ${wide} px wide in a window of ${width} px`);
  const { data } = await page.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
  writeFileSync(join(folder, `monitor-${width}-${scheme}.png`), Buffer.from(data, "base64"));
}

async function press_all(page) {
  for (const id of await page.evaluate("[...document.querySelectorAll('button')].map((each) => each.id)")) {
    if (presses[id]) await presses[id](page);
    else say(`nobody presses the button "${id}"`);
  }
  const filter = (word) => page.evaluate(`{ const box = document.getElementById("filter"); box.value = "${word}"; box.dispatchEvent(new Event("input")); }`);
  await filter("no such words");
  if ((await shows(page, "bands")) !== 0) say("a filter that fits no size shows sizes");
  await filter("");
  if ((await shows(page, "bands")) === 0) say("an empty filter shows no sizes");
  await until(page, "document.querySelectorAll('#load circle').length === 2", "both ranks are drawn");
  if (!/[0-9]{4} calls\/s/.test(await text(page, "load"))) say(`the ranks' load is not said: ${await text(page, "load")}`);
  // Four GPUs with their NVLinks, of which two work.
  await until(page, "/gpu0: [0-9.]+ of 450 GB.s; gpu1: /.test(document.getElementById('machine-load').textContent)", "the GPUs' load is said");
  const links = await page.evaluate("[...document.querySelectorAll('#machine path[data-from]')].map((each) => Number(each.dataset.load))");
  if (links.length !== 4 || links.filter((each) => each > 0).length !== 2) say(`NVLinks and their load are ${links}`);
  if (!/rank 1/.test(await text(page, "late"))) say("the page says nothing of how late ranks begin");
  if (!/KiB|MiB/.test(await text(page, "pairs"))) say("the page says nothing of bytes between pairs");
}

async function memory(page) {
  await page.send("HeapProfiler.collectGarbage");
  const { usedSize } = await page.send("Runtime.getHeapUsage");
  const { nodes } = await page.send("Memory.getDOMCounters");
  return { usedSize, nodes };
}

// What `p2plab monitor` holds, KiB.
const held = (child) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]);

const start = (pace, lasting, ring) => spawn(writer, [records, String(pace), String(lasting), String(ring)], { stdio: ["pipe", "pipe", "inherit"] });
const pressed = start(10000, 3600, 65536);
let first = pressed;
const server = spawn(program, ["monitor", "--serve", "127.0.0.1:0", "--dir", records, "--for", "600s", "--topology", "hgx-h200:gpus=4"], { stdio: ["ignore", "pipe", "ignore"] });
const browser = new Browser(chromium);
try {
  const { value: url } = await lines(server).next();
  const page = await browser.page();
  await page.send("HeapProfiler.enable");
  await browser.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads });
  for (const width of [390, 1280]) for (const scheme of ["light", "dark"]) await look(page, url, width, scheme);
  await press_all(page);
  pressed.kill("SIGKILL");
  first = start(10000, seconds, 65536);
  await wait(2000);
  const before = await memory(page);
  await wait(seconds * 500); // what it keeps of a process, 20,000 calls, is there by then
  const held_before = held(server);
  const { value: count } = await lines(first).next();
  await until(page, `last.processes.some((each) => each.pid === ${first.pid} && each.calls === ${count})`, `the page has seen all ${count} calls`);
  const after = await memory(page);
  if ((await page.evaluate("last.lost")) !== 0) say(`${await page.evaluate("last.lost")} calls were lost`);
  if (after.usedSize - before.usedSize > 1e6 || after.nodes > 1.5 * before.nodes + 200) say(`memory is not flat: ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
  const more = held(server) - held_before;
  if (more > 4096) say(`the monitor itself took ${more} KiB more`);
  console.log(`${count} calls in ${seconds} s, all seen; memory ${JSON.stringify(before)}, then ${JSON.stringify(after)}; the monitor ${held_before} KiB, ${more} more`);
  // A ring that is too short for the time between two looks: what was overwritten is said.
  const second = start(10000, 2, 256);
  await lines(second).next();
  await until(page, "/[0-9]+ overwritten before they were read/.test(document.getElementById('state').textContent)", "lost calls are said");
  await until(page, "/not read before they were overwritten/.test(document.getElementById('alarms').textContent)", "lost calls are an alarm");
  second.stdin.end();
  for (const said of page.said) say(`console: ${said}`);
  for (const asked of page.asked) if (!asked.startsWith(url)) say(`asked the network for ${asked}`);
  server.kill("SIGINT");
  await until(page, "/has ended/.test(document.getElementById('state').textContent)", "the page says that the monitor has ended");
} finally {
  await browser.close();
  pressed.kill();
  first.kill();
  server.kill();
}
if (faults > 0) console.log(`${faults} faults`);
process.exit(faults > 0 ? 1 : 0);
