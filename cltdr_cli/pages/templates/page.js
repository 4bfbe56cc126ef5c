/* Puts the parts together: one page, one chosen segment, keys and buttons. */

class Page {
  constructor() {
    const ends = [...data.segments, ...(data.truth ?? []).map((row) => ({ segment: [row.start, row.end] }))].map((row) => row.segment[1]);
    this.duration = data.duration || ends.reduce((a, b) => Math.max(a, b), 1);
    this.frame = 1 / (data.fps || 25);
    this.chosen = null;
    this.editing = false;
    this.replaced = false;
    this.markedStart = null;
    this.player = new Player(byId("video"), byId("no-video"), this.duration);
    this.segments = new Segments(data.segments, this.duration);
    [...data.labels].forEach(colorOf);
    this.list = new List(this);
    this.timeline = new Timeline(this);
    this.segments.onChange(() => { this.list.drawBoxes(); this.draw(); });
    this.player.onTick((seconds, playing) => this.onTick(seconds, playing));
    this.describe();
    this.bind();
    this.player.load(findVideo());
    this.list.drawBoxes();
    this.draw();
  }

  get reviewer() { return byId("reviewer").value.trim() || "unnamed"; }

  describe() {
    byId("facts").textContent = [clockTime(this.duration), ...data.notes].join(" · ");
    byId("back").hidden = !data.index;
    if (data.index) byId("back").href = data.index;
    const legend = ["The stronger a bar, the higher its score."];
    if (data.truth) legend.push("Hatched below: ground truth.");
    if (data.curves) legend.push("Lines: the classifier's score along the video.");
    byId("legend").textContent = legend.join(" ");
    byId("save").textContent = data.save_address ? "Save" : "Save (download)";
    try { byId("reviewer").value = localStorage.getItem("cltdr-reviewer") ?? ""; } catch { /* file:// may forbid it */ }
  }

  draw() {
    const rows = this.list.visible();
    this.timeline.draw([...rows], (data.truth ?? []).filter((row) => this.list.shows(row)));
    this.list.draw(rows);
    this.drawEditor();
  }

  /** Segments that are saved: a model's weak guesses, which nobody looked at, are none that a person approved. */
  kept() { return this.segments.rows.filter((row) => row.reviewed || row.score >= this.list.least - 1e-9); }

  drawEditor() {
    byId("keeps").textContent = `Saving keeps ${this.kept().length} of ${this.segments.rows.length} segments: `
      + `those with a score from ${this.list.least.toFixed(2)} on, and all that were changed.`;
    const row = this.segments.find(this.chosen);
    for (const id of ["split", "merge", "delete", "start", "end", "label"]) byId(id).disabled = !row;
    byId("undo").disabled = !this.segments.past.length;
    byId("redo").disabled = !this.segments.future.length;
    for (const id of ["start", "end"]) if (document.activeElement !== byId(id)) byId(id).value = row ? row[id].toFixed(3) : "";
    if (document.activeElement !== byId("label")) byId("label").value = row ? row.label : byId("label").value;
    byId("label").disabled = !row && this.markedStart === null;
    const state = this.segments.changed ? "Changes that are not saved yet." : "";
    if (!byId("edit-state").classList.contains("bad") || this.segments.changed === false) this.state(state);
  }

  state(text, bad = false) {
    byId("edit-state").textContent = text;
    byId("edit-state").classList.toggle("bad", bad);
    if (text) say(text);
  }

  choose(key) {
    this.chosen = key;
    for (const item of document.querySelectorAll("[data-key]")) item.setAttribute("aria-current", String(Number(item.dataset.key) === key));
    this.list.show(key);
    this.drawEditor();
  }

  /** Jump to a segment and play it. */
  open(key) {
    const row = this.segments.find(key);
    if (!row) return;
    this.choose(key);
    this.player.playSegment(row.start, row.end);
    say(describe(row));
  }

  onTick(seconds, playing) {
    byId("clock").textContent = clockTime(seconds);
    this.timeline.movePlayhead(seconds, playing);
    if (byId("play").dataset.playing === String(playing)) return;
    byId("play").dataset.playing = String(playing);
    byId("play").textContent = playing ? "❚❚" : "▶";
    byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  step(count, order) {
    const rows = this.list.visible();
    if (order === "time") rows.sort((a, b) => a.start - b.start || a.key - b.key);
    if (!rows.length) return;
    const place = rows.findIndex((row) => row.key === this.chosen);
    const near = count > 0 ? rows.findIndex((row) => row.start > this.player.time) : rows.findLastIndex((row) => row.start < this.player.time);
    const to = place >= 0 ? place + count : order === "time" ? near : 0;
    if (to >= 0 && to < rows.length) this.open(rows[to].key);
  }

  stepFrame(count) {
    this.player.pause();
    this.player.seek((Math.round(this.player.time / this.frame) + count + 0.01) * this.frame);
  }

  toFrame(seconds) { return data.fps ? Math.round(Math.round(seconds / this.frame) * this.frame * 1e6) / 1e6 : Math.round(seconds * 1000) / 1000; }

  setEditing(on) {
    this.editing = on;
    document.body.classList.toggle("editing", on);
    byId("editor").hidden = !on;
    byId("edit-toggle").setAttribute("aria-pressed", String(on));
    this.draw();
  }

  markStart() {
    this.markedStart = this.toFrame(this.player.time);
    this.drawEditor();
    this.state(`Start marked at ${clockTime(this.markedStart)}: go to the end and mark it (O).`);
  }

  markEnd() {
    const end = this.toFrame(this.player.time);
    if (this.markedStart === null || end <= this.markedStart) return this.state("Mark the start first (I), then the end behind it (O).", true);
    const label = byId("label").value.trim() || this.segments.labels()[0] || data.labels[0] || "action";
    const key = this.segments.add(this.markedStart, end, label, this.reviewer);
    this.markedStart = null;
    byId("edit-state").classList.remove("bad");
    this.choose(key);
  }

  split() { if (!this.segments.split(this.chosen, this.toFrame(this.player.time), this.reviewer)) this.state("Move the playhead inside the chosen segment, then split.", true); }
  merge() { if (!this.segments.merge(this.chosen, this.reviewer)) this.state("There is no later segment of this label.", true); }
  remove() { this.segments.remove(this.chosen); this.choose(null); }

  setEdges() {
    const row = this.segments.find(this.chosen), start = Number(byId("start").value), end = Number(byId("end").value);
    if (!row || !(end > start)) return this.state("A segment ends after it starts.", true);
    this.segments.move(this.chosen, start, end, this.reviewer);
  }

  setLabel() {
    const label = byId("label").value.trim(), row = this.segments.find(this.chosen);
    if (row && label && label !== row.label) this.segments.relabel(this.chosen, label, this.reviewer);
  }

  async save() {
    if (!data.save_address) return this.saveAs("json");
    try {
      const edits = this.segments.edits, file = await sendRows(this);
      this.segments.saved = edits;
      this.state(`Saved to ${file}.`);
    } catch (error) {
      this.state(`Not saved: ${error.message}`, true);
    }
  }

  saveAs(kind) {
    const name = `${data.file_name}.reviewed.${kind}`;
    if (kind === "json") download(name, "application/json", makeJson(this)); else download(name, "text/csv", makeCsv(this));
    this.segments.saved = this.segments.edits;
    this.state(`Saved as ${name}.`);
  }

  async openFile(file) {
    try {
      const rows = readSaved(await file.text());
      this.replaced = true;
      byId("score").value = "0"; // a saved file holds what was kept
      this.chosen = null;
      this.segments.replace(rows);
      this.state(`Opened ${file.name}: ${rows.length} segments.`);
    } catch (error) {
      this.state(`${file.name} cannot be opened: ${error.message}.`, true);
    }
  }

  bind() {
    const clicks = {
      play: () => this.player.toggle(), previous: () => this.step(-1, "time"), next: () => this.step(1, "time"),
      "frame-back": () => this.stepFrame(-1), "frame-on": () => this.stepFrame(1),
      "zoom-in": () => this.timeline.zoomTo(this.timeline.zoom * 1.6), "zoom-out": () => this.timeline.zoomTo(this.timeline.zoom / 1.6),
      "zoom-all": () => this.timeline.zoomTo(1), "edit-toggle": () => this.setEditing(!this.editing),
      "mark-start": () => this.markStart(), "mark-end": () => this.markEnd(), split: () => this.split(), merge: () => this.merge(),
      delete: () => this.remove(), undo: () => this.segments.undo(), redo: () => this.segments.redo(), save: () => this.save(),
      "save-json": () => this.saveAs("json"), "save-csv": () => this.saveAs("csv"),
    };
    for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
    for (const id of ["start", "end"]) byId(id).addEventListener("change", () => this.setEdges());
    byId("label").addEventListener("change", () => this.setLabel());
    byId("reviewer").addEventListener("change", () => { try { localStorage.setItem("cltdr-reviewer", this.reviewer); } catch { /* as above */ } });
    byId("open").addEventListener("change", (event) => { if (event.target.files[0]) this.openFile(event.target.files[0]); });
    addEventListener("keydown", (event) => this.onKey(event));
    addEventListener("beforeunload", (event) => { if (this.segments.changed) event.preventDefault(); });
  }

  onKey(event) {
    const control = event.ctrlKey || event.metaKey, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const typing = event.target.matches('input:not([type="range"]):not([type="checkbox"]), select, textarea');
    if (control ? typing && key !== "s" : typing) return;
    if (event.altKey || (key === " " && event.target.matches("button, summary, input, a"))) return;
    if (key.startsWith("Arrow") && event.target.matches('input[type="range"]')) return;
    const act = control ? this.controlKeys()[key] : this.plainKeys()[key] ?? (this.editing ? this.editKeys()[key] : undefined);
    if (!act) return;
    event.preventDefault();
    act();
  }

  plainKeys() {
    return {
      " ": () => this.player.toggle(), ArrowLeft: () => this.player.seek(this.player.time - 1), ArrowRight: () => this.player.seek(this.player.time + 1),
      ArrowUp: () => this.step(-1, "list"), ArrowDown: () => this.step(1, "list"), "[": () => this.step(-1, "time"), "]": () => this.step(1, "time"),
      j: () => this.player.rewind(), k: () => this.player.pause(), l: () => this.player.faster(), ",": () => this.stepFrame(-1), ".": () => this.stepFrame(1),
      "+": () => this.timeline.zoomTo(this.timeline.zoom * 1.6), "-": () => this.timeline.zoomTo(this.timeline.zoom / 1.6), e: () => this.setEditing(!this.editing),
    };
  }

  editKeys() {
    return {
      i: () => this.markStart(), o: () => this.markEnd(), s: () => this.split(), m: () => this.merge(), Delete: () => this.remove(),
      Backspace: () => this.remove(), r: () => { byId("label").focus(); byId("label").select(); },
    };
  }

  controlKeys() {
    return this.editing ? { z: () => this.segments.undo(), y: () => this.segments.redo(), s: () => this.save() } : {};
  }
}

const page = new Page();
if (data.save_address) page.setEditing(true);
