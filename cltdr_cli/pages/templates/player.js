/* One clock for the page: the video's, or its own where there is no video that this browser can play. */

class Player {
  constructor(video, note, duration) {
    this.video = video;
    this.note = note;
    this.duration = duration;
    this.hasVideo = false;
    this.at = 0;
    this.running = false;
    this.rate = 1;
    this.stopAt = null;
    this.backwards = 0;
    this.listeners = [];
    this.last = performance.now();
    requestAnimationFrame(() => this.tick());
  }

  onTick(listener) { this.listeners.push(listener); }

  load(address) {
    if (!address) return this.giveUp("This page was made without a video. The timeline works without it.");
    this.hasVideo = true;
    this.video.addEventListener("error", () => this.giveUp(
      "The video cannot be shown: the file is not where the page expects it, or this browser cannot play its format. "
      + "The timeline works without it."));
    this.video.src = address;
  }

  giveUp(text) {
    this.hasVideo = false;
    this.video.hidden = true;
    this.note.hidden = false;
    this.note.textContent = text;
  }

  get time() { return this.hasVideo ? this.video.currentTime : this.at; }
  get playing() { return this.hasVideo ? !this.video.paused : this.running; }

  seek(seconds) {
    const at = Math.min(Math.max(0, seconds), this.duration);
    this.stopAt = null;
    this.at = at;
    if (this.hasVideo) this.video.currentTime = at;
  }

  play(rate = 1) {
    this.backwards = 0;
    this.rate = rate;
    if (!this.hasVideo) { this.running = true; return; }
    this.video.playbackRate = rate;
    this.video.play().catch(() => {}); // refused by the browser until the first click, or the file is gone
  }

  pause() {
    this.backwards = 0;
    this.stopAt = null;
    this.running = false;
    if (this.hasVideo) this.video.pause();
  }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  playSegment(start, end) {
    this.seek(start);
    this.stopAt = end;
    this.play();
  }

  /** L: play, again for twice as fast; J: the same backwards, which browsers do not play, so it is stepped. */
  faster() { this.stopAt = null; this.play(this.playing && !this.backwards ? Math.min(8, this.rate * 2) : 1); }
  rewind() {
    const rate = this.backwards ? Math.min(8, this.backwards * 2) : 1;
    this.pause();
    this.backwards = rate;
  }

  tick() {
    const now = performance.now(), passed = Math.min(0.25, (now - this.last) / 1000);
    this.last = now;
    if (this.backwards) {
      const rate = this.backwards;
      this.seek(this.time - passed * rate);
      if (this.time <= 0) this.backwards = 0;
    } else if (!this.hasVideo && this.running) {
      this.at = Math.min(this.duration, this.at + passed * this.rate);
      if (this.at >= this.duration) this.running = false;
    }
    if (this.stopAt !== null && this.time >= this.stopAt) this.pause();
    for (const listener of this.listeners) listener(this.time, this.playing);
    requestAnimationFrame(() => this.tick());
  }
}

/** The video of the page: bytes inside it, or a link. */
function findVideo() {
  const inside = byId("video-bytes");
  if (!inside) return data.video;
  const text = atob(inside.textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
  inside.remove();
  return URL.createObjectURL(new Blob([bytes], { type: data.video_type }));
}
