// SPDX-License-Identifier: Apache-2.0
"use strict";

(page.figures ? galleryPage : runPage)(document.getElementById("main"));
let seen = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === seen) return;
  seen = window.innerWidth;
  requestAnimationFrame(redrawAll);
});
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
document.documentElement.dataset.ready = "yes";
