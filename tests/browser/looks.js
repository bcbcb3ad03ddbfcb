// SPDX-License-Identifier: Apache-2.0
// Runs inside the page: what is clipped, what is too pale to read, which series look alike. Returns sentences, none if all is well.
(() => {
  const faults = [];
  const fault = (text) => { if (faults.length < 60) faults.push(text); };
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const visible = (node) => node.getClientRects().length > 0 && getComputedStyle(node).visibility !== "hidden";
  const opaque = (colour) => colour.startsWith("rgb(") || (colour.startsWith("rgba(") && channels(colour)[3] === 1);
  const groundOf = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (opaque(colour)) return channels(colour);
    }
    return channels(getComputedStyle(document.documentElement).backgroundColor);
  };
  const inside = (inner, outer, slack) => inner.left >= outer.left - slack && inner.right <= outer.right + slack && inner.top >= outer.top - slack && inner.bottom <= outer.bottom + slack;

  const wide = document.documentElement;
  if (wide.scrollWidth > wide.clientWidth) fault(`the page is ${wide.scrollWidth} px wide in a window of ${wide.clientWidth} px`);

  // What is more stands out more; on paper no head is a button, which Chromium would print on the first sheet only.
  const pale = groundOf(document.body);
  const [least, most] = [0, 1].map((share) => contrast(channels(shade(share)), pale));
  if (!(most > least)) fault(`what is busiest stands out by ${most.toFixed(2)}, what is idle by ${least.toFixed(2)}`);
  if (matchMedia("print").matches && [...document.querySelectorAll("thead button")].some(visible)) fault("a button in a table's head is printed");

  // Text of the page itself.
  for (const node of document.body.querySelectorAll("*")) {
    if (node.closest("svg, script, style, noscript") || !visible(node)) continue;
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own) continue;
    const style = getComputedStyle(node);
    const ratio = contrast(channels(style.color), groundOf(node));
    if (ratio < 4.5) fault(`contrast ${ratio.toFixed(2)} of "${node.textContent.slice(0, 40)}"`);
    const scrolls = node.closest(".rows");
    if (!scrolls && style.display !== "inline" && node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0 && !node.matches("select, input, option"))
      fault(`"${node.textContent.slice(0, 40)}" is ${node.scrollWidth} px wide in a box of ${node.clientWidth} px`);
  }

  // Text of drawings: inside them, not over each other along an axis, and readable on what lies below.
  for (const svg of document.querySelectorAll(".drawing svg")) {
    const frame = svg.getBoundingClientRect();
    const name = svg.getAttribute("aria-label");
    const cells = [...svg.querySelectorAll("g[aria-label='cell'] rect")].map((rect) => ({ box: rect.getBoundingClientRect(), fill: channels(getComputedStyle(rect).fill) }));
    const ground = groundOf(svg.parentElement);
    for (const text of svg.querySelectorAll("text")) {
      if (!visible(text) || !text.textContent.trim() || text.closest("g[aria-label='tip']")) continue;
      const box = text.getBoundingClientRect();
      if (!inside(box, frame, 1.5)) fault(`"${text.textContent}" is clipped in ${name}`);
      const middle = { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
      const cell = cells.find((each) => middle.x >= each.box.left && middle.x <= each.box.right && middle.y >= each.box.top && middle.y <= each.box.bottom);
      const ratio = contrast(channels(getComputedStyle(text).fill), cell?.fill ?? ground);
      if (ratio < 4.5) fault(`contrast ${ratio.toFixed(2)} of "${text.textContent}" in ${name}`);
    }
    for (const axis of svg.querySelectorAll("g[aria-label$='tick label']")) {
      const boxes = [...axis.querySelectorAll("text")].map((text) => text.getBoundingClientRect());
      for (let i = 1; i < boxes.length; ++i) {
        const [a, b] = [boxes[i - 1], boxes[i]];
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2) fault(`labels "${axis.querySelectorAll("text")[i].textContent}" and the one before lie over each other in ${name}`);
      }
    }
  }

  // Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
  const blindness = {
    protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
  };
  const lab = (rgb) => {
    const [r, g, b] = rgb.map((value) => Math.min(1, Math.max(0, value)));
    const f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
    const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
    const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  };
  const seen = (colour, matrix) => lab(matrix.map((row) => row.reduce((sum, factor, i) => sum + factor * linear(colour[i]), 0)));
  const swatches = [...document.querySelectorAll(".legend button")].filter(visible).map((button) => {
    const line = button.querySelector("g[aria-label='line'] path");
    const mark = button.querySelector("g[aria-label='dot'] path, g[aria-label='dot'] circle");
    const dash = line.closest("[stroke-dasharray]")?.getAttribute("stroke-dasharray") ?? "";
    return { name: button.textContent, colour: channels(getComputedStyle(line).stroke), dash, mark: mark?.getAttribute("d") ?? mark?.tagName ?? "" };
  });
  const ground = groundOf(document.body);
  for (const [i, one] of swatches.entries()) {
    const ratio = contrast(one.colour, ground);
    if (ratio < 3) fault(`contrast ${ratio.toFixed(2)} of the series ${one.name}`);
    for (const other of swatches.slice(0, i)) {
      if (one.mark !== other.mark && one.dash !== other.dash) continue;
      for (const [kind, matrix] of Object.entries(blindness)) {
        const [a, b] = [seen(one.colour, matrix), seen(other.colour, matrix)];
        const apart = Math.hypot(...a.map((value, k) => value - b[k]));
        const shape = one.mark !== other.mark || one.dash !== other.dash;
        if (apart < 10 && !(shape && one.mark !== other.mark)) fault(`${one.name} and ${other.name} look alike with ${kind}: ${apart.toFixed(1)} apart`);
      }
    }
  }
  return { faults, series: swatches.length, texts: document.querySelectorAll(".drawing svg text").length };
})();
