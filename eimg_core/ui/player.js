// The player. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`; player.py says what the value
// holds. Times are seconds, x runs with time, y with pitch. The roll fits the piece into its width while a second
// keeps MIN_PX_PER_S pixels; a longer piece scrolls with the play head.

const MIN_PX_PER_S = 26, KEYS_W = 34, RULER_H = 18, MIDDLE_C = 60, FEWEST_KEYS = 36;
const BLACK = new Set([1, 3, 6, 8, 10]);
const TELL = {
  polyphony_rate: ["Polyphony rate", "share of the time with more than two notes sounding"],
  pitch_entropy: ["Pitch entropy", "variety of the pitches, in bits"],
  groove_consistency: ["Groove consistency", "steadiness of the rhythm, up to 1"],
};
const FILES = { mid: "MIDI", wav: "WAV", png: "Picture", json: "Details" };

const find = (selector) => element.querySelector(selector);
const root = find(".player"), canvas = find("canvas"), pen = canvas.getContext("2d"), audio = find("audio");
const seek = find(".player-seek"), play = find(".player-play"), loop = find(".player-loop");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

let take = null; // the value that is on show, when it is a take
let colours = {}, view = { from: 0, lowest: 48, keys: FEWEST_KEYS }, frame = 0;

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const length = () => Math.max(take ? take.duration_s : 0, audio.duration || 0, 0.01);

// ---- drawing -------------------------------------------------------------------------------------------------

function readColours() {
  const style = getComputedStyle(root);
  for (const name of ["surface", "ink", "muted", "line", "roll", "roll-black", "upper", "lower", "head", "key-white", "key-black", "key-ink", "key-line"])
    colours[name] = style.getPropertyValue(`--${name}`).trim();
}

function fitPitches() {
  const pitches = take.notes.map((note) => note[2]);
  const low = pitches.length ? Math.min(...pitches) : MIDDLE_C, high = pitches.length ? Math.max(...pitches) : MIDDLE_C;
  let lowest = low - 2, highest = high + 2;
  const missing = FEWEST_KEYS - (highest - lowest + 1);
  if (missing > 0) (lowest -= Math.floor(missing / 2)), (highest += Math.ceil(missing / 2));
  view.lowest = lowest;
  view.keys = highest - lowest + 1;
}

function resize() {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  if (!box.width) return;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw();
}

function geometry() {
  const width = canvas.clientWidth - KEYS_W, height = canvas.clientHeight - RULER_H;
  const scale = Math.max(width / length(), MIN_PX_PER_S);
  const window_s = width / scale, now = audio.currentTime;
  const latest = Math.max(0, length() - window_s);
  if (calm.matches) {
    // No gliding: turn the page when the play head leaves it.
    if (now < view.from || now > view.from + window_s) view.from = Math.min(Math.floor(now / window_s) * window_s, latest);
  } else view.from = Math.min(Math.max(0, now - window_s / 3), latest);
  const row = height / view.keys;
  return {
    width, height, scale, row, now,
    x: (time) => KEYS_W + (time - view.from) * scale,
    y: (pitch) => RULER_H + height - (pitch - view.lowest + 1) * row,
    time: (px) => view.from + (px - KEYS_W) / scale,
  };
}

function draw() {
  if (!take || !canvas.clientWidth) return;
  const g = geometry(), full = canvas.clientWidth, bottom = canvas.clientHeight;
  pen.clearRect(0, 0, full, bottom);
  pen.fillStyle = colours.roll;
  pen.fillRect(KEYS_W, RULER_H, g.width, g.height);
  pen.fillStyle = colours["roll-black"];
  for (let pitch = view.lowest; pitch < view.lowest + view.keys; pitch++)
    if (BLACK.has(((pitch % 12) + 12) % 12)) pen.fillRect(KEYS_W, g.y(pitch), g.width, g.row);
  drawBars(g, bottom);
  pen.save();
  pen.beginPath();
  pen.rect(KEYS_W, RULER_H, g.width, g.height);
  pen.clip();
  for (const [start, end] of take.pedals) {
    pen.fillStyle = colours.muted;
    pen.globalAlpha = 0.35;
    pen.fillRect(g.x(start), bottom - 2, (end - start) * g.scale, 2);
  }
  const sounding = new Map();
  for (const note of take.notes) {
    const [start, end, pitch, velocity] = note, left = g.x(start), wide = (end - start) * g.scale;
    const now = !audio.paused || g.now > 0 ? start <= g.now && g.now < end : false;
    if (now) sounding.set(pitch, pitch >= MIDDLE_C ? colours.upper : colours.lower);
    if (left > full || left + wide < KEYS_W) continue;
    pen.globalAlpha = now ? 1 : 0.28 + 0.72 * Math.min(1, Math.max(0, (velocity - 24) / 88));
    pen.fillStyle = pitch >= MIDDLE_C ? colours.upper : colours.lower;
    const tall = Math.max(3, g.row - 1);
    pen.beginPath();
    pen.roundRect(left, g.y(pitch) + (g.row - tall) / 2, Math.max(2.5, wide - 1), tall, Math.min(2.5, tall / 2));
    pen.fill();
    if (now) (pen.strokeStyle = colours.ink), (pen.lineWidth = 1), pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.fillStyle = colours.head;
  pen.fillRect(g.x(g.now) - 0.75, RULER_H, 1.5, g.height);
  pen.restore();
  if (g.x(g.now) >= KEYS_W - 1) {
    pen.beginPath();
    pen.moveTo(g.x(g.now) - 5, RULER_H - 8);
    pen.lineTo(g.x(g.now) + 5, RULER_H - 8);
    pen.lineTo(g.x(g.now), RULER_H);
    pen.fill();
  }
  drawKeys(g, sounding);
}

function drawBars(g, bottom) {
  const bar = (take.meter[0] * 4 * 60) / take.meter[1] / take.tempo_bpm;
  const every = Math.max(1, 2 ** Math.ceil(Math.log2(34 / (bar * g.scale)))); // keep the numbers apart
  pen.font = `11px ${getComputedStyle(root).fontFamily}`;
  pen.textAlign = "left";
  pen.textBaseline = "alphabetic";
  for (let n = Math.max(0, Math.floor(view.from / bar)); n * bar < view.from + g.width / g.scale; n++) {
    const left = Math.round(g.x(n * bar)) + 0.5;
    if (left < KEYS_W) continue;
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(left, n % every ? RULER_H : 4);
    pen.lineTo(left, bottom);
    pen.stroke();
    if (n % every === 0 && left < canvas.clientWidth - 16) {
      pen.fillStyle = colours.muted;
      pen.fillText(String(n + 1), left + 4, 12);
    }
  }
}

function drawKeys(g, sounding) {
  pen.clearRect(0, 0, KEYS_W, canvas.clientHeight);
  pen.fillStyle = colours["key-white"];
  pen.fillRect(0, RULER_H, KEYS_W - 1, g.height);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.font = `9px ${getComputedStyle(root).fontFamily}`;
  const shown = Array.from({ length: view.keys }, (_, n) => view.lowest + n);
  const stepOf = (pitch) => ((pitch % 12) + 12) % 12;
  for (const pitch of shown) {
    const step = stepOf(pitch), top = g.y(pitch);
    if (!BLACK.has(step) && sounding.has(pitch)) {
      pen.fillStyle = sounding.get(pitch);
      pen.fillRect(0, top, KEYS_W - 1, g.row);
    }
    // White keys meet below C and F, and behind the middle of a black key.
    pen.fillStyle = colours["key-line"];
    if (step === 0 || step === 5) pen.fillRect(0, Math.round(top + g.row), KEYS_W - 1, 1);
    if (BLACK.has(step)) pen.fillRect(KEYS_W * 0.58, Math.round(top + g.row / 2), KEYS_W * 0.42 - 1, 1);
  }
  for (const pitch of shown) {
    const step = stepOf(pitch), top = g.y(pitch);
    if (BLACK.has(step)) {
      pen.fillStyle = sounding.get(pitch) || colours["key-black"];
      pen.beginPath();
      pen.roundRect(0, top + 0.3, KEYS_W * 0.58, g.row - 0.6, [0, 1.5, 1.5, 0]);
      pen.fill();
    } else if (step === 0) {
      pen.fillStyle = sounding.has(pitch) ? colours.surface : colours["key-ink"];
      pen.fillText(`C${pitch / 12 - 1}`, KEYS_W - 3, top + g.row / 2 + 0.5);
    }
  }
  pen.fillStyle = colours.line;
  pen.fillRect(KEYS_W - 1, RULER_H, 1, g.height);
}

// ---- playing -------------------------------------------------------------------------------------------------

function tick() {
  frame = 0;
  if (!element.isConnected) return;
  showTime();
  draw();
  if (!audio.paused) frame = requestAnimationFrame(tick);
}
const refresh = () => (frame ||= requestAnimationFrame(tick));

function showTime() {
  seek.max = length();
  if (document.activeElement !== seek || !audio.paused) seek.value = audio.currentTime;
  seek.style.setProperty("--done", `${(audio.currentTime / length()) * 100}%`);
  seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(length())}`);
  find(".player-time").textContent = clock(audio.currentTime);
  find(".player-length").textContent = clock(length());
  const playing = !audio.paused;
  root.classList.toggle("playing", playing);
  play.setAttribute("aria-label", playing ? "Pause" : "Play");
}

const toggle = () => take && take.files.wav && (audio.paused ? audio.play().catch(() => {}) : audio.pause());
function goTo(seconds) {
  audio.currentTime = Math.min(Math.max(0, seconds), length() - 0.01);
  refresh();
}

// ---- states --------------------------------------------------------------------------------------------------

function showTake(value) {
  take = value;
  audio.pause();
  if (value.files.wav) audio.src = value.files.wav.url;
  else audio.removeAttribute("src");
  view.from = 0;
  play.disabled = seek.disabled = loop.disabled = !value.files.wav;
  const feeling = value.target.region;
  find(".player-done h3").textContent = `${/^[aeiou]/.test(feeling) ? "An" : "A"} ${feeling} piece`;
  find(".player-facts").textContent = [
    `${value.duration_s.toFixed(0)} s`, `${value.tempo_bpm.toFixed(0)} bpm`, `${value.notes.length} notes`,
    `seed ${value.seed}`, value.pairing_title,
  ].join("  ·  ");
  find(".player-files").replaceChildren(...Object.keys(FILES).filter((kind) => value.files[kind]).map((kind) => {
    const link = document.createElement("a");
    link.href = value.files[kind].url;
    link.download = value.files[kind].orig_name;
    link.textContent = FILES[kind];
    link.title = value.files[kind].orig_name;
    return link;
  }));
  showNumbers(value);
  readColours();
  fitPitches();
  showTime();
  resize();
  canvas.setAttribute("aria-label", `Piano roll: ${value.notes.length} notes in ${value.duration_s.toFixed(0)} seconds.`);
  canvas.dataset.notes = value.notes.length;
}

function showNumbers(value) {
  const at = (point) => `valence ${point.valence.toFixed(1)}, arousal ${point.arousal.toFixed(1)}`;
  find(".player-landing").textContent = value.piece
    ? `Our evaluator hears this piece as ${value.piece.region} (${at(value.piece)}), ${value.distance.toFixed(1)} from the target.`
    : `The target was ${value.target.region} (${at(value.target)}).`;
  find(".player-metrics").replaceChildren(...Object.entries(value.metrics).flatMap(([key, number]) => {
    const [name, meaning] = TELL[key] || [key.replaceAll("_", " "), ""];
    const term = document.createElement("dt"), detail = document.createElement("dd"), small = document.createElement("small");
    const group = document.createElement("div");
    term.textContent = name;
    detail.textContent = number === null ? "–" : number.toFixed(2);
    small.textContent = meaning;
    group.append(term, detail, small);
    return group;
  }));
  find(".player-remarks").replaceChildren(...value.remarks.map((remark) => {
    const item = document.createElement("li");
    item.textContent = remark;
    return item;
  }));
  find(".player-played").textContent = value.engine ? `Played by ${value.engine} with ${value.soundfont}.` : "";
}

function showWork(value) {
  const now = props.stages.indexOf(value.stage);
  if (now >= 0) root.dataset.stage = now;
  const reached = Number(root.dataset.stage);
  find(".player-stages").querySelectorAll("li").forEach((item, n) => {
    item.classList.toggle("past", n < reached);
    item.classList.toggle("now", n === reached);
  });
  const percent = Math.round(100 * (value.done || 0));
  find(".player-bar").style.setProperty("--left", `${100 - percent}%`);
  find(".player-bar").setAttribute("aria-valuenow", percent);
  const live = find(".player-stage");
  if (live.textContent !== value.stage) live.textContent = value.stage;
}

function show() {
  const value = props.value || {}, state = value.state || "empty", before = root.dataset.state;
  root.dataset.state = state;
  if (state !== "done") audio.pause();
  if (state === "working") {
    if (before !== "working") root.dataset.stage = -1; // waiting for its turn
    showWork(value);
  }
  if (state === "failed") find(".player-failed p").textContent = value.message;
  if (state === "done") showTake(value);
  if (state === "working" && before !== "working")
    root.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
}

find(".player-stages").replaceChildren(...props.stages.map((name) => {
  const item = document.createElement("li");
  item.textContent = name[0].toUpperCase() + name.slice(1);
  return item;
}));
find(".player-stop").addEventListener("click", () => {
  props.value = take || {};
  show();
  trigger("stop");
});
play.addEventListener("click", toggle);
loop.addEventListener("click", () => {
  audio.loop = !audio.loop;
  loop.setAttribute("aria-pressed", audio.loop);
});
seek.addEventListener("input", () => goTo(Number(seek.value)));
canvas.addEventListener("pointerdown", (event) => {
  if (!take || event.offsetX < KEYS_W || play.disabled) return;
  goTo(geometry().time(event.offsetX));
});
for (const name of ["play", "pause", "ended", "seeked", "durationchange", "timeupdate"]) audio.addEventListener(name, refresh);

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  const busy = event.target.closest("input, textarea, select, button, a, summary, [contenteditable]");
  if (event.code !== "Space" || root.dataset.state !== "done" || !root.offsetParent || (busy && busy !== seek)) return;
  event.preventDefault();
  toggle();
}
document.addEventListener("keydown", onKey);
new ResizeObserver(resize).observe(canvas);
// Gradio marks the dark theme with a class on the body.
new MutationObserver(() => (readColours(), draw())).observe(document.body, { attributeFilter: ["class"] });

watch("value", show);
readColours();
show();
