// SPDX-License-Identifier: Apache-2.0
// Opens pages in a headless Chromium, at 390 and 1280 px, light, dark and printed, and says what a reader would stumble over.
// node report_test.mjs CHROMIUM FOLDER_FOR_SCREENSHOTS PAGE...
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Browser } from "./browser.mjs";

const [program, folder, ...files] = process.argv.slice(2);
const looks = readFileSync(new URL("looks.js", import.meta.url), "utf8");
mkdirSync(folder, { recursive: true });

const manners = [
  { name: "1280-light", width: 1280, scheme: "light" }, { name: "1280-dark", width: 1280, scheme: "dark" },
  { name: "390-light", width: 390, scheme: "light" }, { name: "390-dark", width: 390, scheme: "dark" },
  { name: "print", width: 800, scheme: "dark", media: "print" },
];

let faults = 0;
const say = (page, text) => { faults += 1; console.log(`${page}: ${text}`); };

async function look(page, file, { name, width, scheme, media }) {
  const title = `${basename(dirname(file))}-${basename(file, ".html")} ${name}`;
  await page.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
  await page.send("Emulation.setEmulatedMedia", { media: media ?? "", features: [{ name: "prefers-color-scheme", value: scheme }] });
  page.said.length = 0;
  page.asked.length = 0;
  const began = performance.now();
  await page.open(pathToFileURL(file).href);
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  const took = performance.now() - began;
  if ((await page.evaluate("document.documentElement.dataset.ready")) !== "yes") say(title, "the scripts did not come to their end");
  const found = await page.evaluate(looks);
  for (const text of found.faults) say(title, text);
  for (const text of page.said) say(title, `console: ${text}`);
  for (const url of page.asked) say(title, `asked the network for ${url}`);
  const chart = await page.evaluate("document.querySelector('.drawing').getBoundingClientRect().top");
  if (width === 1280 && chart > 500) say(title, `the first chart begins at ${chart.toFixed(0)} px, below half a screen`);
  const { cssContentSize } = await page.send("Page.getLayoutMetrics");
  const clip = { x: 0, y: 0, width, height: Math.min(cssContentSize.height, 6000), scale: 1 };
  const { data } = await page.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true, clip });
  writeFileSync(join(folder, `${title.replace(" ", "-")}.png`), Buffer.from(data, "base64"));
  console.log(`${title}: ${found.series} series, ${found.texts} texts in drawings, open after ${took.toFixed(0)} ms`);
}

// The look finds what is wrong: a page that was spoilt on purpose.
async function spoil(page) {
  await page.evaluate(`{
    document.documentElement.style.setProperty("--soft", "#c8c8c8");
    document.documentElement.style.setProperty("--s1", getComputedStyle(document.documentElement).getPropertyValue("--s0"));
    document.querySelector("h1").style.whiteSpace = "nowrap";
    document.querySelector("h1").textContent = "wide ".repeat(400);
    const text = document.querySelector(".drawing svg text");
    text.textContent = "clipped ".repeat(400);
    for (const swatch of document.querySelectorAll(".legend button")) swatch.querySelector("g[aria-label='dot'] path")?.setAttribute("d", "M0 0");
  }`);
  const { faults: found } = await page.evaluate(looks);
  for (const words of ["contrast", "look alike", "px wide", "is clipped"]) {
    if (!found.some((text) => text.includes(words))) say("a spoilt page", `"${words}" was not noticed: ${found.join("; ")}`);
  }
}

// What a keyboard does: every button and row box can be reached, and a legend's entry hides its series.
async function operate(page, file) {
  const title = `${basename(dirname(file))} keyboard`;
  const reached = await page.evaluate("[...document.querySelectorAll('button, select, input, .rows')].every((each) => each.tabIndex >= 0)");
  if (!reached) say(title, "not everything can be reached by the tab key");
  const marks = "document.querySelectorAll('.charts .drawing path, .charts .drawing circle').length";
  const before = await page.evaluate(marks);
  await page.evaluate("document.querySelector('.legend button').focus()");
  for (const type of ["keyDown", "keyUp"]) await page.send("Input.dispatchKeyEvent", { type, key: " ", code: "Space", windowsVirtualKeyCode: 32, text: type === "keyDown" ? " " : undefined });
  const after = await page.evaluate(marks);
  if (!(after < before)) say(title, `hiding a series left ${after} of ${before} marks`);
  const rows = "document.querySelectorAll('tbody tr:not(.space)').length";
  const all = await page.evaluate(rows);
  await page.evaluate("{ const box = document.querySelector('input[type=search]'); box.value = 'no such words'; box.dispatchEvent(new Event('input')); }");
  if ((await page.evaluate(rows)) !== 0) say(title, "a filter that fits no row shows rows");
  await page.evaluate("{ const box = document.querySelector('input[type=search]'); box.value = ''; box.dispatchEvent(new Event('input')); }");
  if ((await page.evaluate(rows)) !== all) say(title, "an empty filter does not show all rows again");
  await page.evaluate("document.querySelector('thead button').click(); document.querySelector('thead button').click()");
  if ((await page.evaluate("document.querySelector('thead th').getAttribute('aria-sort')")) !== "descending") say(title, "a second click does not sort the other way");
  // The last row comes into view by scrolling, and not all rows are there at once.
  await page.evaluate("{ const box = document.querySelector('.rows'); box.scrollTop = box.scrollHeight; }");
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  const end = await page.evaluate("{ const box = document.querySelector('.rows').getBoundingClientRect(); const last = [...document.querySelectorAll('tbody tr')].at(-1); ({ space: last.className, below: last.getBoundingClientRect().bottom - box.bottom, there: document.querySelectorAll('tbody tr').length }); }");
  if (end.space === "space" || end.below > 20 || end.there > 200) say(title, `scrolled to the end, the table shows ${JSON.stringify(end)}`);
  // Each drawing as a file: whole XML, colours written out.
  const svgs = await page.evaluate("[...document.querySelectorAll('.drawing svg')].map(svgText)");
  const whole = await page.evaluate("[...document.querySelectorAll('.drawing svg')].map(svgText).every((text) => !new DOMParser().parseFromString(text, 'image/svg+xml').querySelector('parsererror'))");
  if (!whole || svgs.length === 0) say(title, "a drawing is no whole SVG file");
  if (svgs.some((text) => text.includes("var(--s") || text.includes("var(--bg"))) say(title, "a drawing's file needs the page's style");
}

const browser = new Browser(program);
try {
  const page = await browser.page();
  for (const file of files) {
    for (const manner of manners) await look(page, file, manner);
    await look(page, file, manners[0]);
    await operate(page, file);
  }
  await look(page, files[0], manners[0]);
  await spoil(page);
} finally {
  await browser.close();
}
if (faults > 0) console.log(`${faults} faults`);
process.exitCode = faults > 0 ? 1 : 0;
