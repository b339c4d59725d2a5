// Draws each figure with Vega in place of its SVG. Where this fails or scripts are off, the SVG stays.
"use strict";
for (const holder of document.querySelectorAll("figure[data-chart]")) {
  const place = holder.querySelector(".live");
  const spec = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
  spec.description = holder.querySelector(".alternative").textContent;
  vegaEmbed(place, spec, { actions: false, renderer: "svg", tooltip: say }).then(
    () => { holder.classList.add("drawn"); },
    () => { place.textContent = ""; },
  );
}

let note = null;
// A tooltip of plain text: what Vega gives is never read as HTML.
function say(_handler, event, _item, value) {
  if (!value || typeof value !== "object") { if (note) note.hidden = true; return; }
  if (!note) {
    note = document.createElement("div");
    note.className = "tip";
    note.setAttribute("role", "status");
    document.body.append(note);
  }
  note.textContent = Object.entries(value).map(([name, text]) => (name === "–" ? text : `${name}: ${text}`)).join("\n");
  note.hidden = false;
  const left = Math.min(event.pageX + 12, document.documentElement.scrollWidth - note.offsetWidth - 8);
  note.style.left = `${Math.max(left, 0)}px`;
  note.style.top = `${event.pageY + 16}px`;
}
