// SPDX-License-Identifier: Apache-2.0
// A headless Chromium, spoken to through its debugging pipe.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Browser {
  #next = 1;
  #answers = new Map();
  #listeners = new Set();
  #read = "";

  constructor(program) {
    this.folder = mkdtempSync(join(tmpdir(), "p2plab-browser-"));
    const options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-first-run",
      `--user-data-dir=${this.folder}`, "--remote-debugging-pipe", "about:blank"];
    this.process = spawn(program, options, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    this.process.stdio[4].setEncoding("utf8").on("data", (text) => this.#hear(text));
  }

  #hear(text) {
    const messages = (this.#read + text).split("\0");
    this.#read = messages.pop();
    for (const message of messages.map((each) => JSON.parse(each))) {
      if (message.id === undefined) for (const listener of this.#listeners) listener(message);
      else this.#answers.get(message.id)(message);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
    });
  }

  // A page of its own that notes everything it says and everything it asks the network for.
  async page() {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = { said: [], asked: [], send: (method, params) => this.send(method, params, sessionId) };
    this.#listeners.add((message) => {
      if (message.sessionId !== sessionId) return;
      const { method, params } = message;
      if (method === "Runtime.consoleAPICalled") page.said.push(params.args.map((each) => each.value ?? each.description).join(" "));
      if (method === "Runtime.exceptionThrown") page.said.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === "Log.entryAdded") page.said.push(params.entry.text);
      if (method === "Network.requestWillBeSent" && !/^(file|data|blob):/.test(params.request.url)) page.asked.push(params.request.url);
      if (method === "Page.loadEventFired") page.loaded?.();
    });
    for (const part of ["Runtime", "Log", "Network", "Page"]) await page.send(`${part}.enable`);
    page.open = async (url) => {
      const loaded = new Promise((resolve) => { page.loaded = resolve; });
      await page.send("Page.navigate", { url });
      await loaded;
    };
    page.evaluate = async (expression) => {
      const { result, exceptionDetails } = await page.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    return page;
  }

  async close() {
    await this.send("Browser.close").catch(() => {});
    await this.ended;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
