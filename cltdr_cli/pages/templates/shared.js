/* Small things that all parts of the page use. Text from files only ever becomes text, never markup. */

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);

function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text) element.textContent = text;
  return element;
}

/** Seconds as m:ss.cc, or h:mm:ss.cc from an hour on. */
function clockTime(seconds, places = 2) {
  const units = 10 ** places, all = Math.round(Math.max(0, seconds) * units);
  const whole = Math.floor(all / units), part = all % units;
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const clock = minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  return places ? `${clock}.${String(part).padStart(places, "0")}` : clock;
}

const say = (text) => { byId("said").textContent = text; };

const COLORS = ["#3b78b8", "#c8601a", "#3f8f46", "#c43d4b", "#8a5aa8", "#23858a", "#96720f", "#8c5a3c"];
const colorPlaces = new Map();

/** A label keeps its colour, whatever is filtered. */
function colorOf(label) {
  if (!colorPlaces.has(label)) colorPlaces.set(label, colorPlaces.size);
  return COLORS[colorPlaces.get(label) % COLORS.length];
}
