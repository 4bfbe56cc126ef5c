/* The table of all videos: rows are made once, search hides them, a column's name sorts them. */

const SVG = "http://www.w3.org/2000/svg";

/* A row's timeline is drawn when it comes into sight: drawing a thousand at once would hold the page up. */
const drawn = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((item) => item.isIntersecting)) {
    drawn.unobserve(entry.target);
    entry.target.lastChild.append(makeLine(entry.target.video));
  }
}, { rootMargin: "400px" });
const rows = data.videos.map((video) => ({ video, text: `${video.id} ${video.labels.join(" ")}`.toLowerCase(), row: makeRow(video) }));
let sorted = { column: "id", down: false };

function makeRow(video) {
  const row = make("tr"), link = make("a", "", video.id), name = make("td");
  link.href = video.page;
  name.append(link);
  const labels = video.labels.slice(0, 8).join(", ") + (video.labels.length > 8 ? ", …" : "");
  row.video = video;
  drawn.observe(row);
  row.append(name, make("td", "", clockTime(video.duration, 0)), make("td", "", String(video.count)), make("td", "labels", labels), make("td", "line"));
  return row;
}

/** A sparkline: one path for each strength, so that a thousand videos stay a few thousand elements. */
function makeLine(video) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 1000 22");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${video.count} segments`);
  for (const strength of [0.25, 0.5, 0.75, 1]) {
    const bars = video.bars.filter((bar) => bar[2] > strength - 0.25 && bar[2] <= strength);
    if (!bars.length) continue;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", bars.map(([start, end]) => `M${start} 3h${Math.max(2, end - start)}v16H${start}z`).join(""));
    path.setAttribute("fill", COLORS[0]);
    path.setAttribute("fill-opacity", String(strength));
    svg.append(path);
  }
  return svg;
}

function draw() {
  const wanted = byId("search").value.trim().toLowerCase();
  const value = ({ video }) => (sorted.column === "labels" ? video.labels.length : video[sorted.column]);
  const order = (a, b) => (typeof value(a) === "string" ? value(a).localeCompare(value(b)) : value(a) - value(b));
  const shown = rows.filter((item) => item.text.includes(wanted)).sort((a, b) => (sorted.down ? -order(a, b) : order(a, b)));
  byId("rows").replaceChildren(...shown.map((item) => item.row));
  byId("facts").textContent = `${shown.length} of ${rows.length} videos, ${shown.reduce((sum, item) => sum + item.video.count, 0)} segments`;
}

byId("search").addEventListener("input", draw);
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const column = button.dataset.column;
    sorted = { column, down: sorted.column === column ? !sorted.down : column !== "id" };
    for (const head of document.querySelectorAll("th")) head.removeAttribute("aria-sort");
    button.parentElement.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    draw();
  });
}
draw();
