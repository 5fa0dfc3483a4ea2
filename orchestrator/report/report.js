// Tooltips of the figures, and their SVG, PNG and CSV files. Every figure contains its numbers; nothing is fetched.
"use strict";
const tip = document.getElementById("tip");
const WORDS = { lo: "low", hi: "high", used: "judged" };
const shown = (value) => {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
};
const named = (column) => WORDS[column] ?? column.replaceAll("_", " ");

function nearest(data, x, y, reach) {
  let best = -1, least = reach * reach;
  data.at.forEach(([px, py], i) => {
    const away = (px - x) ** 2 + (py - y) ** 2;
    if (away < least) [best, least] = [i, away];
  });
  return best;
}

function point(event, svg, data) {
  const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
  const i = nearest(data, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale, 28 * scale);
  tip.hidden = i < 0;
  if (i < 0) return;
  tip.textContent = data.columns.map((name, k) => [name, data.rows[i][k]])
    .filter(([, value]) => value !== null).map(([name, value]) => `${named(name)}: ${shown(value)}`).join("\n");
  const left = box.left + data.at[i][0] / scale + 12, top = box.top + data.at[i][1] / scale + 12;
  tip.style.left = `${Math.max(4, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(4, Math.min(top, window.innerHeight - tip.offsetHeight - 4))}px`;
}

function svgText(svg) {
  const copy = svg.cloneNode(true), box = svg.viewBox.baseVal;
  copy.setAttribute("width", `${box.width}pt`);
  copy.setAttribute("height", `${box.height}pt`);
  copy.setAttribute("style", "background: #ffffff; stroke-linejoin: round; stroke-linecap: butt");
  return new XMLSerializer().serializeToString(copy).replace(/var\(--c[0-9a-f]{6}, (#[0-9a-f]{6})\)/g, "$1");
}

function csvText(data) {
  const cell = (value) => {
    if (value === null) return "";
    // What a spreadsheet would take for a formula gets a quote in front.
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) && isNaN(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [data.columns, ...data.rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

async function pngBlob(svg) {
  const image = new Image(), box = svg.viewBox.baseVal, canvas = document.createElement("canvas");
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg))}`;
  await image.decode();
  [canvas.width, canvas.height] = [4 * box.width, 4 * box.height];
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

async function fileOf(kind, svg, data) {
  if (kind === "png") return pngBlob(svg);
  if (kind === "svg") return new Blob([svgText(svg)], { type: "image/svg+xml" });
  return new Blob([csvText(data)], { type: "text/csv" });
}

for (const figure of document.querySelectorAll("figure[data-name]")) {
  const svg = figure.querySelector("svg"), data = JSON.parse(figure.querySelector("script").textContent);
  svg.addEventListener("pointermove", (event) => point(event, svg, data));
  svg.addEventListener("pointerdown", (event) => point(event, svg, data));
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
  for (const link of figure.querySelectorAll("a[data-save]")) {
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const anchor = document.createElement("a");
      anchor.href = URL.createObjectURL(await fileOf(link.dataset.save, svg, data));
      anchor.download = `${figure.dataset.name}.${link.dataset.save}`;
      anchor.click();
      setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
    });
  }
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
