/* The timeline: a lane for each label, bars to scale, zoom and scroll, edges that can be dragged. */

const TICK_STEPS = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const TICK_PIXELS = 90;
const CLOSEST_SECONDS = 2;
const FAINTEST = 0.15;
const SVG = "http://www.w3.org/2000/svg";

class Timeline {
  constructor(page) {
    this.page = page;
    this.zoom = 1;
    this.scroller = byId("scroller");
    this.track = byId("track");
    this.lanes = byId("lanes");
    this.duration = page.duration;
    this.scroller.addEventListener("scroll", () => this.drawAxis());
    new ResizeObserver(() => this.drawAxis()).observe(this.scroller);
    this.scroller.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.lanes.addEventListener("pointerdown", (event) => this.onPointer(event));
    byId("axis").addEventListener("pointerdown", (event) => page.player.seek(this.secondsAt(event.clientX)));
    this.lanes.addEventListener("pointerover", (event) => this.onHover(event));
    this.lanes.addEventListener("pointerleave", () => { byId("hint").hidden = true; });
  }

  /** Draw lanes for these rows; labels that appear first come on top. */
  draw(rows, truth) {
    const labels = [...new Set([...rows, ...truth].sort((a, b) => a.start - b.start).map((row) => row.label))];
    const two = data.truth !== null;
    byId("names").classList.toggle("two", two);
    this.lanes.classList.toggle("two", two);
    byId("names").replaceChildren(...labels.map((label) => this.makeName(label)));
    this.lanes.replaceChildren(...labels.map((label) => this.makeLane(label, rows, truth)));
    this.drawAxis();
  }

  makeName(label) {
    const name = make("div", "", label);
    name.title = label;
    return name;
  }

  makeLane(label, rows, truth) {
    const lane = make("div", "lane");
    const curve = data.curves && Object.hasOwn(data.curves.scores, label) ? data.curves.scores[label] : null;
    if (curve) lane.append(this.makeCurve(data.curves.times_seconds, curve));
    const own = rows.filter((row) => row.label === label).sort((a, b) => a.score - b.score);
    lane.append(...own.map((row) => this.makeBar(row)));
    lane.append(...truth.filter((row) => row.label === label).map((row) => this.makeTruth(row)));
    return lane;
  }

  makeBar(row) {
    const bar = make("button", "bar");
    bar.type = "button";
    bar.tabIndex = -1; // the list is the keyboard's way to segments
    bar.dataset.key = row.key;
    bar.setAttribute("aria-label", describe(row));
    bar.setAttribute("aria-current", String(row.key === this.page.chosen));
    bar.style.backgroundColor = colorOf(row.label);
    bar.style.opacity = this.page.editing ? 0.9 : Math.min(1, Math.max(FAINTEST, row.score));
    this.place(bar, row.start, row.end);
    bar.append(make("span", "edge start"), make("span", "edge end"));
    return bar;
  }

  makeTruth(row) {
    const bar = make("span", "bar truth");
    bar.setAttribute("aria-label", `true ${describe(row)}`);
    bar.dataset.truth = `${row.label} (ground truth)\n${clockTime(row.start)} to ${clockTime(row.end)}`;
    bar.style.backgroundColor = colorOf(row.label);
    this.place(bar, row.start, row.end);
    return bar;
  }

  makeCurve(times, scores) {
    const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "polyline");
    svg.setAttribute("viewBox", `0 0 ${this.duration} 1`);
    svg.setAttribute("preserveAspectRatio", "none");
    line.setAttribute("points", times.map((time, place) => `${time},${1 - scores[place]}`).join(" "));
    svg.append(line);
    return svg;
  }

  place(bar, start, end) {
    bar.style.left = `${(100 * start) / this.duration}%`;
    bar.style.width = `${(100 * Math.max(0, end - start)) / this.duration}%`;
  }

  drawAxis() {
    const width = this.track.clientWidth;
    if (!width) return;
    const step = TICK_STEPS.find((seconds) => (seconds / this.duration) * width >= TICK_PIXELS) ?? this.duration;
    const from = (this.scroller.scrollLeft / width) * this.duration;
    const to = ((this.scroller.scrollLeft + this.scroller.clientWidth) / width) * this.duration;
    const ticks = [];
    for (let place = Math.max(0, Math.floor(from / step) - 1); place * step <= Math.min(this.duration, to + step); place += 1) {
      const share = (place * step) / this.duration;
      const tick = make("span", place === 0 ? "first" : (1 - share) * width < 30 ? "last" : "", clockTime(place * step, step < 1 ? 2 : 0));
      tick.style.left = `${100 * share}%`;
      ticks.push(tick);
    }
    byId("axis").replaceChildren(...ticks);
  }

  movePlayhead(seconds, follow) {
    byId("playhead").style.left = `${(100 * seconds) / this.duration}%`;
    if (!follow || this.zoom === 1) return;
    const at = (seconds / this.duration) * this.track.clientWidth - this.scroller.scrollLeft;
    if (at < 0 || at > this.scroller.clientWidth * 0.95) this.scroller.scrollLeft += at - this.scroller.clientWidth * 0.1;
  }

  zoomTo(zoom, seconds = this.page.player.time, at = null) {
    const offset = at ?? this.scroller.clientWidth / 2;
    this.zoom = Math.min(Math.max(1, zoom), Math.max(1, this.duration / CLOSEST_SECONDS));
    this.track.style.width = `${100 * this.zoom}%`;
    this.scroller.scrollLeft = (seconds / this.duration) * this.track.clientWidth - offset;
    this.drawAxis();
  }

  onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const left = this.scroller.getBoundingClientRect().left;
    this.zoomTo(this.zoom * (event.deltaY < 0 ? 1.25 : 0.8), this.secondsAt(event.clientX), event.clientX - left);
  }

  secondsAt(x) {
    const box = this.track.getBoundingClientRect();
    return Math.min(Math.max(0, (x - box.left) / box.width), 1) * this.duration;
  }

  onPointer(event) {
    if (event.button) return;
    const bar = event.target.closest("button.bar");
    if (bar && this.page.editing && event.target.classList.contains("edge")) this.drag(event, bar);
    else if (bar) this.page.open(Number(bar.dataset.key));
    else this.page.player.seek(this.secondsAt(event.clientX));
  }

  /** Drag one edge: the bar follows, the edit is made when it is let go, Escape drops it. */
  drag(event, bar) {
    event.preventDefault();
    const key = Number(bar.dataset.key), row = this.page.segments.find(key), atStart = event.target.classList.contains("start");
    const clip = (x) => {
      const at = this.page.toFrame(this.secondsAt(x));
      return atStart ? [Math.min(at, row.end - SHORTEST_SECONDS), row.end] : [row.start, Math.max(at, row.start + SHORTEST_SECONDS)];
    };
    let moved = false;
    const onMove = (move) => {
      moved = true;
      const [start, end] = clip(move.clientX);
      this.place(bar, start, end);
      this.page.player.seek(atStart ? start : end);
    };
    const finish = (end) => {
      removeEventListener("pointermove", onMove);
      removeEventListener("pointerup", finish);
      removeEventListener("pointercancel", finish);
      removeEventListener("keydown", onKey, true);
      this.page.choose(key);
      if (end && end.type === "pointerup" && moved) this.page.segments.move(key, ...clip(end.clientX), this.page.reviewer);
      else this.page.draw();
    };
    const onKey = (press) => { if (press.key === "Escape") finish(null); };
    addEventListener("pointermove", onMove);
    addEventListener("pointerup", finish);
    addEventListener("pointercancel", finish);
    addEventListener("keydown", onKey, true);
  }

  onHover(event) {
    const bar = event.target.closest(".bar"), hint = byId("hint");
    hint.hidden = !bar || event.pointerType === "touch";
    if (hint.hidden) return;
    const row = bar.dataset.key === undefined ? null : this.page.segments.find(Number(bar.dataset.key));
    const facts = row ? `${clockTime(row.start)} to ${clockTime(row.end)}, score ${row.score.toFixed(3)}` : "";
    hint.replaceChildren(...(row ? [make("strong", "", row.label), make("div", "", facts)] : [make("div", "", bar.dataset.truth ?? "")]));
    const box = bar.getBoundingClientRect();
    hint.style.left = `${Math.max(4, Math.min(event.clientX, innerWidth - 290))}px`;
    hint.style.top = `${Math.max(4, box.top - hint.offsetHeight - 8)}px`;
  }
}

function describe(row) {
  const score = row.score === undefined ? "" : `, score ${row.score.toFixed(2)}`;
  return `${row.label}, ${clockTime(row.start)} to ${clockTime(row.end)}${score}`;
}
