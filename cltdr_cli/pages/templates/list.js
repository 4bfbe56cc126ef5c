/* The list of segments, and what chooses them: score slider, label boxes, order. */

const FIRST_ITEMS = 300;

class List {
  constructor(page) {
    this.page = page;
    this.off = new Set();
    this.all = false;
    byId("score").value = String(data.display_score);
    for (const [id, event] of [["score", "input"], ["sort", "change"]]) byId(id).addEventListener(event, () => page.draw());
    byId("all-labels").addEventListener("click", () => { this.off.clear(); this.drawBoxes(); page.draw(); });
    byId("no-labels").addEventListener("click", () => { this.off = new Set(this.labels()); this.drawBoxes(); page.draw(); });
    byId("more").addEventListener("click", () => { this.all = true; page.draw(); });
    byId("list").addEventListener("click", (event) => {
      const item = event.target.closest(".item");
      if (item) page.open(Number(item.dataset.key));
    });
    if (matchMedia("(min-width: 821px)").matches) byId("filter").open = true;
  }

  get least() { return Number(byId("score").value); }
  labels() { return [...new Set([...this.page.segments.rows, ...(data.truth ?? [])].map((row) => row.label))].sort(); }
  shows(row) { return !this.off.has(row.label) && (row.score === undefined || row.score >= this.least - 1e-9); }

  visible() {
    const rows = this.page.segments.rows.filter((row) => this.shows(row));
    const byTime = (a, b) => a.start - b.start || a.end - b.end || a.key - b.key;
    return rows.sort(byId("sort").value === "score" ? (a, b) => b.score - a.score || byTime(a, b) : byTime);
  }

  draw(rows) {
    byId("score-value").textContent = this.least.toFixed(2);
    const shown = this.all ? rows : rows.slice(0, FIRST_ITEMS);
    byId("list").replaceChildren(...shown.map((row) => this.makeItem(row)));
    byId("more").hidden = shown.length === rows.length;
    byId("more").textContent = `Show all ${rows.length}`;
    byId("count").textContent = `${rows.length} of ${this.page.segments.rows.length} segments shown`;
  }

  makeItem(row) {
    const line = make("li"), item = make("button", "item");
    item.type = "button";
    item.dataset.key = row.key;
    item.style.borderLeftColor = colorOf(row.label);
    item.setAttribute("aria-current", String(row.key === this.page.chosen));
    if (Object.hasOwn(data.thumbnails, row.key) && !this.page.replaced) {
      const picture = make("img");
      picture.src = data.thumbnails[row.key];
      picture.alt = "";
      picture.loading = "lazy";
      item.append(picture);
    }
    item.append(make("span", "label", row.label), make("span", "value", row.score.toFixed(2)),
      make("span", "time", `${clockTime(row.start)} – ${clockTime(row.end)}`));
    line.append(item);
    return line;
  }

  /** Scroll the list, and never the page, to a segment. */
  show(key) {
    const box = byId("list"), item = box.querySelector(`[data-key="${Number(key)}"]`);
    if (!item || key === null) return;
    const top = item.getBoundingClientRect().top - box.getBoundingClientRect().top;
    if (top < 0 || top + item.offsetHeight > box.clientHeight) box.scrollTop += top - box.clientHeight / 3;
  }

  drawBoxes() {
    const counts = new Map();
    for (const row of this.page.segments.rows) counts.set(row.label, (counts.get(row.label) ?? 0) + 1);
    byId("label-boxes").replaceChildren(...this.labels().map((label) => this.makeBox(label, counts.get(label) ?? 0)));
    byId("label-names").replaceChildren(...[...new Set([...data.labels, ...this.labels()])].sort().map((label) => {
      const option = make("option");
      option.value = label;
      return option;
    }));
  }

  makeBox(label, count) {
    const line = make("label"), box = make("input"), dot = make("span", "dot");
    box.type = "checkbox";
    box.checked = !this.off.has(label);
    box.dataset.label = label;
    box.addEventListener("change", () => {
      if (box.checked) this.off.delete(label); else this.off.add(label);
      this.page.draw();
    });
    dot.style.backgroundColor = colorOf(label);
    line.append(box, dot, make("span", "", `${label} (${count})`));
    return line;
  }
}
