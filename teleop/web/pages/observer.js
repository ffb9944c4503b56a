// The observer's page: comes in by a link, watches a camera, says how old the picture is, and comes back
// by itself. It shows; it can move nothing.

import { Camera } from "./camera.js";
import { Refused, enter, report, visit } from "./node.js";
import { Trace } from "./trace.js";
import { STANDSTILL } from "./words.js";

const STILL_MS = 250; // and four pictures' time: then a picture stands still
const SLOW_MS = 150, LATE_MS = 300; // an old picture, and one not to work by
const AGAIN_MS = [500, 1000, 2000, 4000];
const COUNTED_MS = 1200; // between two looks at what arrived, and a little
const REPORT_MS = 2000, AGES_MAX = 256;

const element = Object.fromEntries([...document.querySelectorAll("[id]")].map((one) => [one.id, one]));
const trace = new Trace(element.trace);

let camera = null;
let tries = 0;
let coming = 0; // the timer of the next try
let lastShown = 0, lastAge = 0, period = 33;
let shownTimes = [], second = [], unreported = [], freezes = 0;
let wasReceived = 0, arrived = 0; // how many pictures came, and when that was seen to grow

// What a person reads -----------------------------------------------------------------------------

function say(state, words, what = "", why = "") {
  document.body.dataset.state = state;
  if (["lost", "outside"].includes(state)) put(element.age, "–");
  put(element.state, words);
  put(element.what, what);
  put(element.why, why);
  element.notice.hidden = !what;
}

function sentence(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function put(where, words) {
  if (where.textContent !== words) where.textContent = words;
}

function putAge(ms) {
  const seconds = ms >= 1000;
  put(element.age, seconds ? (ms / 1000).toFixed(1) : ms.toFixed(0));
  put(element["age-unit"], seconds ? "s" : "ms");
  document.body.dataset.age = ms > LATE_MS ? "late" : ms > SLOW_MS ? "slow" : "good";
}

// A picture's way ---------------------------------------------------------------------------------

const events = {
  onShown(at) {
    lastShown = at;
    shownTimes.push(at);
    tries = 0;
  },
  onSeen({ frame, at, age }) {
    lastAge = age - (at - lastShown);
    second.push(age);
    if (unreported.length < AGES_MAX) unreported.push(Math.min(60_000_000, Math.round(age * 1000)));
    put(element.frame, String(frame & 0xffffffffn));
    element.frame.dataset.id = String(frame);
  },
  onOver(why) {
    camera = null;
    again("connection lost", why);
  },
};

async function connect() {
  clearTimeout(coming);
  coming = 0;
  camera?.end("connecting anew");
  clearTimeout(coming);
  lastShown = 0;
  say("connecting", "connecting", "Connecting to the camera");
  try {
    const { cameras } = await visit();
    if (!cameras.length) return say("outside", "no camera", "This node has no camera", "[video] camera in node.toml names one");
    camera = new Camera(cameras[0], element.picture, events);
    await camera.connect();
  } catch (error) {
    if (error instanceof Refused && error.cause === "visit") return outside("This page is opened by a link");
    if (camera) camera.end(words(error));
    else again("no answer", words(error));
  }
}

function again(state, why) {
  const wait = AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)];
  say("lost", state, "No picture", `${sentence(why)}; trying again in ${wait / 1000} s`);
  clearTimeout(coming);
  coming = setTimeout(connect, wait);
}

function outside(what) {
  say("outside", "not let in", sentence(what), "Whoever runs this node makes one: trocar link observer");
}

function words(error) {
  return error instanceof Refused ? error.message : "the node does not answer";
}

// Ten times a second, and once a second -----------------------------------------------------------

function look() {
  if (!camera || document.hidden || !lastShown) return;
  const still = performance.now() - lastShown;
  const named = STANDSTILL[camera.standstill] ?? "";
  if (still > Math.max(STILL_MS, 4 * period) || named) {
    if (document.body.dataset.state === "live") freezes += 1;
    const arrives = arrived - lastShown > COUNTED_MS; // since the last that was shown, for certain
    const why = named || (arrives ? "This browser shows nothing of what arrives" : "Nothing arrives here");
    say("still", "picture stands still", "The picture stands still", why);
    putAge(lastAge + still);
  } else {
    if (document.body.dataset.state !== "live") say("live", "live");
    if (second.length) putAge(median(second));
  }
}

async function lookLong() {
  const now = performance.now();
  shownTimes = shownTimes.filter((at) => now - at < 2000);
  const count = shownTimes.filter((at) => now - at < 1000).length;
  if (shownTimes.length > 2) period = (shownTimes.at(-1) - shownTimes[0]) / (shownTimes.length - 1);
  const sorted = second.toSorted((a, b) => a - b);
  if (!document.hidden) trace.add(sorted.length ? { low: sorted[0], middle: median(sorted), high: sorted.at(-1) } : null);
  put(element.fps, camera ? String(count) : "–");
  put(element.worst, sorted.length ? sorted.at(-1).toFixed(0) : "–");
  put(element.way, camera?.ages.way ? camera.ages.way.toFixed(1) : "–");
  second = [];
  const counted = await camera?.counted();
  if (!counted) return;
  if (counted.received > wasReceived) arrived = now;
  wasReceived = counted.received;
  put(element.size, counted.width ? `${counted.width} × ${counted.height}` : "–");
  put(element.lost, String(counted.lost));
}

function tell() {
  if (!unreported.length && !freezes) return;
  report(unreported.splice(0), Math.min(1000, freezes)).catch(() => {}); // the next one comes
  freezes = 0;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

// What a person does ------------------------------------------------------------------------------

const acts = {
  f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  i: () => {
    element.figures.hidden = !element.figures.hidden;
    element.details.setAttribute("aria-pressed", String(!element.figures.hidden));
  },
  h: () => (element.card.open ? element.card.close() : element.card.showModal()),
  r: () => connect(),
};
for (const [button, key] of [["fullscreen", "f"], ["details", "i"], ["help", "h"]]) element[button].onclick = acts[key];
addEventListener("keydown", (event) => {
  if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) acts[event.key.toLowerCase()]?.();
});
document.onvisibilitychange = () => (lastShown = lastShown && performance.now());
addEventListener("online", () => coming && connect());

async function begin() {
  const code = location.hash.slice(1);
  if (code) {
    history.replaceState(null, "", location.pathname);
    try {
      await enter(code);
    } catch (error) {
      // A visit from before may still be good: then a used link is no obstacle.
      if (error instanceof Refused && !(await visit().catch(() => null))) return outside(error.message);
    }
  }
  await connect();
}

setInterval(look, 100);
setInterval(lookLong, 1000);
setInterval(tell, REPORT_MS);
begin();
