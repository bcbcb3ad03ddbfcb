// SPDX-License-Identifier: Apache-2.0
"use strict";

// Charts stand first, below the verdict; what was found follows, then the rest.
(page.figures ? galleryPage : runPage)(document.getElementById("charts"), document.getElementById("main"));
let seen = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === seen) return;
  seen = window.innerWidth;
  requestAnimationFrame(redrawAll);
});
nights.addEventListener("change", redrawAll);
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  printing = true;
  redrawAll();
});
window.addEventListener("afterprint", () => {
  printing = false;
  redrawAll();
});
document.documentElement.dataset.ready = "yes";
