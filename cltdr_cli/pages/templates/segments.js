/* The segments of one video, with undo: every edit makes a new list, nothing is changed in place. */

const LONGEST_UNDO = 500;
const SHORTEST_SECONDS = 0.01;

class Segments {
  constructor(rows, duration) {
    this.duration = duration;
    this.listeners = [];
    this.replace(rows);
  }

  /** Take another file's rows ({label, label_id, score, segment, reviewed}); this cannot be undone. */
  replace(rows) {
    this.rows = rows.map((row, place) => ({
      key: place, start: row.segment[0], end: row.segment[1], label: row.label, labelId: row.label_id ?? null,
      score: row.score, reviewed: row.reviewed ?? null,
    }));
    this.nextKey = rows.length;
    this.past = [];
    this.future = [];
    this.edits = 0;
    this.saved = 0;
    this.tell();
  }

  onChange(listener) { this.listeners.push(listener); }
  tell() { for (const listener of this.listeners) listener(); }
  find(key) { return this.rows.find((row) => row.key === key) ?? null; }
  get changed() { return this.edits !== this.saved; }
  labels() { return [...new Set(this.rows.map((row) => row.label))]; }

  add(start, end, label, who) {
    const row = this.stamp({ key: this.nextKey++, start, end, label, labelId: this.labelId(label), score: 1 }, "added", who);
    this.commit([...this.rows, this.clamp(row)]);
    return row.key;
  }

  move(key, start, end, who) {
    this.change(key, (row) => this.clamp(this.stamp({ ...row, start, end }, "moved", who)));
  }

  relabel(key, label, who) {
    this.change(key, (row) => this.stamp({ ...row, label, labelId: this.labelId(label) }, "relabelled", who));
  }

  remove(key) { this.commit(this.rows.filter((row) => row.key !== key)); }

  /** Two segments in place of one; false if the time is not inside it. */
  split(key, at, who) {
    const row = this.find(key);
    if (!row || at <= row.start + SHORTEST_SECONDS || at >= row.end - SHORTEST_SECONDS) return false;
    const second = this.stamp({ ...row, key: this.nextKey++, start: at }, "split", who);
    this.commit(this.rows.flatMap((item) =>
      item.key === key ? [this.stamp({ ...row, end: at }, "split", who), second] : [item]));
    return true;
  }

  /** One segment from this one and the next of its label; false if there is none. */
  merge(key, who) {
    const row = this.find(key);
    const next = row && this.rows
      .filter((item) => item.label === row.label && item.key !== key && (item.start - row.start || item.key - key) > 0)
      .sort((a, b) => a.start - b.start || a.key - b.key)[0];
    if (!next) return false;
    const end = Math.max(row.end, next.end), score = Math.max(row.score, next.score);
    const merged = this.stamp({ ...row, end, score }, "merged", who);
    this.commit(this.rows.filter((item) => item.key !== next.key).map((item) => (item.key === key ? merged : item)));
    return true;
  }

  undo() { return this.step(this.past, this.future, -1); }
  redo() { return this.step(this.future, this.past, 1); }

  step(from, to, count) {
    if (!from.length) return false;
    to.push(this.rows);
    this.rows = from.pop();
    this.edits += count;
    this.tell();
    return true;
  }

  change(key, edit) { this.commit(this.rows.map((row) => (row.key === key ? edit(row) : row))); }

  commit(rows) {
    this.past.push(this.rows);
    if (this.past.length > LONGEST_UNDO) this.past.shift();
    if (this.saved > this.edits) this.saved = -1; // the saved state can no longer be reached
    this.future = [];
    this.rows = rows;
    this.edits += 1;
    this.tell();
  }

  stamp(row, edit, who) { return { ...row, reviewed: { by: who, at: new Date().toISOString(), edit } }; }

  clamp(row) {
    const start = Math.min(Math.max(0, row.start), Math.max(0, this.duration - SHORTEST_SECONDS));
    return { ...row, start, end: Math.min(Math.max(row.end, start + SHORTEST_SECONDS), Math.max(this.duration, start + SHORTEST_SECONDS)) };
  }

  labelId(label) {
    const known = this.rows.find((row) => row.label === label && row.labelId !== null);
    const place = data.labels.indexOf(label);
    return known ? known.labelId : place >= 0 ? data.label_ids[place] : null;
  }
}
