// A piano roll on a canvas. Times are seconds, x runs with time, y with pitch. The roll fits the piece into its width
// while a second keeps `slowest` pixels; a longer piece scrolls with the play head.

const MIDDLE_C = 60, FEWEST_KEYS = 36, BLACK_KEYS = new Set([1, 3, 6, 8, 10]);
const ROLL_COLOURS = [
  "surface", "ink", "muted", "line", "roll", "roll-black", "upper", "lower", "head", "key-white", "key-black", "key-ink", "key-line",
];
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const stepOf = (pitch) => ((pitch % 12) + 12) % 12;
const isBlack = (pitch) => BLACK_KEYS.has(stepOf(pitch));

// `length` gives the seconds to fit in, `audio` the time; `keys` and `ruler` are the margins in pixels.
function createRoll(canvas, audio, length, { keys = 34, ruler = 18, slowest = 26 } = {}) {
  const pen = canvas.getContext("2d");
  const colours = {};
  const view = { from: 0, lowest: MIDDLE_C - 12, count: FEWEST_KEYS };
  let take = null;

  function readColours() {
    const style = getComputedStyle(canvas);
    for (const name of ROLL_COLOURS) colours[name] = style.getPropertyValue(`--${name}`).trim();
    colours.font = style.fontFamily;
  }

  function fitPitches() {
    const pitches = take.notes.map((note) => note[2]);
    const low = pitches.length ? Math.min(...pitches) : MIDDLE_C, high = pitches.length ? Math.max(...pitches) : MIDDLE_C;
    let lowest = low - 2, highest = high + 2;
    const missing = FEWEST_KEYS - (highest - lowest + 1);
    if (missing > 0) (lowest -= Math.floor(missing / 2)), (highest += Math.ceil(missing / 2));
    view.lowest = lowest;
    view.count = highest - lowest + 1;
  }

  function geometry() {
    const width = canvas.clientWidth - keys, height = canvas.clientHeight - ruler;
    const scale = Math.max(width / length(), slowest);
    const window_s = width / scale, now = audio.currentTime;
    const latest = Math.max(0, length() - window_s);
    if (calm.matches) {
      // No gliding: turn the page when the play head leaves it.
      if (now < view.from || now > view.from + window_s) view.from = Math.min(Math.floor(now / window_s) * window_s, latest);
    } else view.from = Math.min(Math.max(0, now - window_s / 3), latest);
    const row = height / view.count;
    return {
      width, height, scale, row, now,
      x: (time) => keys + (time - view.from) * scale,
      y: (pitch) => ruler + height - (pitch - view.lowest + 1) * row,
    };
  }

  function draw() {
    if (!take || !canvas.clientWidth) return;
    const g = geometry(), full = canvas.clientWidth, bottom = canvas.clientHeight;
    pen.clearRect(0, 0, full, bottom);
    pen.fillStyle = colours.roll;
    pen.fillRect(keys, ruler, g.width, g.height);
    pen.fillStyle = colours["roll-black"];
    for (let pitch = view.lowest; pitch < view.lowest + view.count; pitch++)
      if (isBlack(pitch)) pen.fillRect(keys, g.y(pitch), g.width, g.row);
    drawBars(g, bottom);
    pen.save();
    pen.beginPath();
    pen.rect(keys, ruler, g.width, g.height);
    pen.clip();
    for (const [start, end] of take.pedals) {
      pen.fillStyle = colours.muted;
      pen.globalAlpha = 0.35;
      pen.fillRect(g.x(start), bottom - 2, (end - start) * g.scale, 2);
    }
    const sounding = drawNotes(g, full);
    pen.globalAlpha = 1;
    pen.fillStyle = colours.head;
    pen.fillRect(g.x(g.now) - 0.75, ruler, 1.5, g.height);
    pen.restore();
    if (g.x(g.now) >= keys - 1) {
      pen.beginPath();
      pen.moveTo(g.x(g.now) - 5, ruler - 8);
      pen.lineTo(g.x(g.now) + 5, ruler - 8);
      pen.lineTo(g.x(g.now), ruler);
      pen.fill();
    }
    drawKeys(g, sounding);
  }

  // Returns the colours of the keys that sound now.
  function drawNotes(g, full) {
    const sounding = new Map();
    for (const [start, end, pitch, velocity] of take.notes) {
      const left = g.x(start), wide = (end - start) * g.scale;
      const now = !audio.paused || g.now > 0 ? start <= g.now && g.now < end : false;
      if (now) sounding.set(pitch, pitch >= MIDDLE_C ? colours.upper : colours.lower);
      if (left > full || left + wide < keys) continue;
      pen.globalAlpha = now ? 1 : 0.28 + 0.72 * Math.min(1, Math.max(0, (velocity - 24) / 88));
      pen.fillStyle = pitch >= MIDDLE_C ? colours.upper : colours.lower;
      const tall = Math.max(3, g.row - 1);
      pen.beginPath();
      pen.roundRect(left, g.y(pitch) + (g.row - tall) / 2, Math.max(2.5, wide - 1), tall, Math.min(2.5, tall / 2));
      pen.fill();
      if (now) (pen.strokeStyle = colours.ink), (pen.lineWidth = 1), pen.stroke();
    }
    return sounding;
  }

  function drawBars(g, bottom) {
    const bar = (take.meter[0] * 4 * 60) / take.meter[1] / take.tempo_bpm;
    const every = Math.max(1, 2 ** Math.ceil(Math.log2(34 / (bar * g.scale)))); // keep the numbers apart
    pen.font = `11px ${colours.font}`;
    pen.textAlign = "left";
    pen.textBaseline = "alphabetic";
    for (let n = Math.max(0, Math.floor(view.from / bar)); n * bar < view.from + g.width / g.scale; n++) {
      const left = Math.round(g.x(n * bar)) + 0.5;
      if (left < keys) continue;
      pen.strokeStyle = colours.line;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(left, n % every ? ruler : 4);
      pen.lineTo(left, bottom);
      pen.stroke();
      if (n % every === 0 && left < canvas.clientWidth - 16) {
        pen.fillStyle = colours.muted;
        pen.fillText(String(n + 1), left + 4, 12);
      }
    }
  }

  function drawKeys(g, sounding) {
    pen.clearRect(0, 0, keys, canvas.clientHeight);
    pen.fillStyle = colours["key-white"];
    pen.fillRect(0, ruler, keys - 1, g.height);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.font = `9px ${colours.font}`;
    const shown = Array.from({ length: view.count }, (_, n) => view.lowest + n);
    for (const pitch of shown) {
      const step = stepOf(pitch), top = g.y(pitch);
      if (!isBlack(pitch) && sounding.has(pitch)) {
        pen.fillStyle = sounding.get(pitch);
        pen.fillRect(0, top, keys - 1, g.row);
      }
      // White keys meet below C and F, and behind the middle of a black key.
      pen.fillStyle = colours["key-line"];
      if (step === 0 || step === 5) pen.fillRect(0, Math.round(top + g.row), keys - 1, 1);
      if (isBlack(pitch)) pen.fillRect(keys * 0.58, Math.round(top + g.row / 2), keys * 0.42 - 1, 1);
    }
    for (const pitch of shown) {
      const top = g.y(pitch);
      if (isBlack(pitch)) {
        pen.fillStyle = sounding.get(pitch) || colours["key-black"];
        pen.beginPath();
        pen.roundRect(0, top + 0.3, keys * 0.58, g.row - 0.6, [0, 1.5, 1.5, 0]);
        pen.fill();
      } else if (stepOf(pitch) === 0 && keys > 30) {
        pen.fillStyle = sounding.has(pitch) ? colours.surface : colours["key-ink"];
        pen.fillText(`C${pitch / 12 - 1}`, keys - 3, top + g.row / 2 + 0.5);
      }
    }
    pen.fillStyle = colours.line;
    pen.fillRect(keys - 1, ruler, 1, g.height);
  }

  function resize() {
    const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    if (!box.width) return;
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round(box.height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw();
  }

  function show(value) {
    take = value;
    view.from = 0;
    if (!take) return pen.clearRect(0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", `Piano roll: ${take.notes.length} notes in ${take.duration_s.toFixed(0)} seconds.`);
    canvas.dataset.notes = take.notes.length;
    readColours();
    fitPitches();
    resize();
  }

  // The time under a place `px` pixels from the left, or null where the keyboard is.
  const timeAt = (px) => (px < keys ? null : view.from + (px - keys) / geometry().scale);

  new ResizeObserver(resize).observe(canvas);
  // Gradio marks the dark theme with a class on the body.
  new MutationObserver(() => (readColours(), draw())).observe(document.body, { attributeFilter: ["class"] });
  readColours();
  return { draw, show, timeAt };
}
