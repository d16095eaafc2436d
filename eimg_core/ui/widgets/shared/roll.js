// A piano roll on a canvas. Times are seconds, x runs with time, y with pitch. The roll fits the piece into its width
// while a second keeps `slowest` pixels; a longer piece scrolls with the play head. From the top: a ruler with bar
// numbers, a lane of sections and one of chord names where there are any, the notes, the pedal.

const MIDDLE_C = 60, FEWEST_KEYS = 36, BLACK_KEYS = new Set([1, 3, 6, 8, 10]);
const ROLL_COLOURS = [
  "surface", "ink", "muted", "line", "roll", "roll-black", "upper", "lower", "head", "key-white", "key-black", "key-ink", "key-line", "accent",
];
const LANE = 20; // pixels of a lane of words
const LEFT_HAND = 1;
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const stepOf = (pitch) => ((pitch % 12) + 12) % 12;
// How much larger the style sheet draws an element than its own pixels, which is what scripts count in.
const zoomOf = (node) => node.currentCSSZoom || 1;
const isBlack = (pitch) => BLACK_KEYS.has(stepOf(pitch));

// `length` gives the seconds to fit in, `audio` the time; `keys` and `ruler` are the margins in pixels; `words` says
// whether to write chord names and sections; `section` gives the part that is looped, as {start, end}, or null.
function createRoll(canvas, audio, length, { keys = 34, ruler = 18, slowest = 26, words = false, section = () => null } = {}) {
  const pen = canvas.getContext("2d");
  const colours = {};
  const view = { from: 0, lowest: MIDDLE_C - 12, count: FEWEST_KEYS };
  const lanes = { sections: 0, chords: 0 }; // their heights
  let take = null, top = ruler;

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

  function fitLanes() {
    lanes.sections = words && take.sections && take.sections.length ? LANE : 0;
    lanes.chords = words && take.chords && take.chords.length ? LANE : 0;
    top = ruler + lanes.sections + lanes.chords;
  }

  // Which hand plays the n-th note; where nobody has said, middle C divides them.
  const isLeft = (n) => (take.hands ? take.hands[n] === LEFT_HAND : take.notes[n][2] < MIDDLE_C);

  function geometry() {
    const width = canvas.clientWidth - keys, height = canvas.clientHeight - top;
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
      y: (pitch) => top + height - (pitch - view.lowest + 1) * row,
    };
  }

  function draw() {
    if (!take || !canvas.clientWidth) return;
    const g = geometry(), full = canvas.clientWidth, bottom = canvas.clientHeight;
    pen.clearRect(0, 0, full, bottom);
    pen.fillStyle = colours.roll;
    pen.fillRect(keys, top, g.width, g.height);
    pen.fillStyle = colours["roll-black"];
    for (let pitch = view.lowest; pitch < view.lowest + view.count; pitch++)
      if (isBlack(pitch)) pen.fillRect(keys, g.y(pitch), g.width, g.row);
    drawBars(g, bottom);
    drawWords(g);
    pen.save();
    pen.beginPath();
    pen.rect(keys, top, g.width, g.height);
    pen.clip();
    for (const [start, end] of take.pedals) {
      pen.fillStyle = colours.muted;
      pen.globalAlpha = 0.35;
      pen.fillRect(g.x(start), bottom - 2, (end - start) * g.scale, 2);
    }
    const sounding = drawNotes(g, full);
    pen.globalAlpha = 1;
    pen.restore();
    drawSection(g, bottom);
    pen.save();
    pen.beginPath();
    pen.rect(keys - 6, 0, g.width + 6, bottom);
    pen.clip();
    pen.fillStyle = colours.head;
    pen.fillRect(g.x(g.now) - 0.75, ruler, 1.5, bottom - ruler);
    if (g.x(g.now) >= keys - 1) {
      pen.beginPath();
      pen.moveTo(g.x(g.now) - 5, ruler - 8);
      pen.lineTo(g.x(g.now) + 5, ruler - 8);
      pen.lineTo(g.x(g.now), ruler);
      pen.fill();
    }
    pen.restore();
    drawKeys(g, sounding);
  }

  // The looped part keeps its light, the rest steps back.
  function drawSection(g, bottom) {
    const part = section();
    if (!part) return;
    const left = Math.max(keys, g.x(part.start)), right = Math.min(keys + g.width, Math.max(left, g.x(part.end)));
    pen.fillStyle = colours.surface;
    pen.globalAlpha = 0.62;
    pen.fillRect(keys, ruler, left - keys, bottom - ruler);
    pen.fillRect(right, ruler, keys + g.width - right, bottom - ruler);
    pen.fillStyle = colours.accent;
    pen.globalAlpha = 0.2;
    pen.fillRect(left, 0, right - left, ruler);
    pen.globalAlpha = 1;
    for (const [time, way] of [[part.start, 1], [part.end, -1]]) {
      const at = g.x(time);
      if (at < keys || at > keys + g.width) continue;
      pen.fillRect(at - 0.75, 0, 1.5, bottom);
      pen.fillRect(way > 0 ? at : at - 5, 0, 5, ruler);
    }
  }

  // A lane of words: sections or chords, each cut to the room it has.
  function drawLane(g, items, from, tall, style) {
    pen.font = style.font;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    for (let n = 0; n < items.length; n++) {
      const [start, end, word] = items[n];
      const left = g.x(start), right = g.x(end);
      if (right < keys || left > keys + g.width) continue;
      pen.save();
      pen.beginPath();
      pen.rect(Math.max(keys, left), from, right - Math.max(keys, left), tall);
      pen.clip();
      const now = start <= g.now && g.now < end && (!audio.paused || g.now > 0);
      style.box(left, right, n, now);
      pen.fillStyle = now ? colours.ink : style.colour;
      const at = Math.max(keys, left) + 5; // a name stays in sight while its part does
      if (pen.measureText(word).width <= right - at) pen.fillText(word, at, from + tall / 2 + 0.5);
      pen.restore();
    }
  }

  function drawWords(g) {
    if (lanes.sections)
      drawLane(g, take.sections.map((part) => [part.start_s, part.end_s, part.label]), ruler, LANE, {
        font: `600 11px ${colours.font}`, colour: colours.muted,
        box: (left, right, n, now) => {
          pen.fillStyle = now ? colours.accent : colours.muted;
          pen.globalAlpha = now ? 0.24 : n % 2 ? 0.08 : 0.14;
          pen.fillRect(left + 1, ruler + 2, right - left - 2, LANE - 3);
          pen.globalAlpha = 1;
        },
      });
    if (lanes.chords)
      drawLane(g, take.chords, top - LANE, LANE, {
        font: `12px ${colours.font}`, colour: colours.muted,
        box: (left) => {
          pen.fillStyle = colours.line;
          pen.fillRect(left, top - LANE + 4, 1, LANE - 8);
        },
      });
  }

  // Returns the colours of the keys that sound now.
  function drawNotes(g, full) {
    const sounding = new Map();
    for (const [n, [start, end, pitch, velocity]] of take.notes.entries()) {
      const left = g.x(start), wide = (end - start) * g.scale;
      const now = !audio.paused || g.now > 0 ? start <= g.now && g.now < end : false;
      const colour = isLeft(n) ? colours.lower : colours.upper;
      if (now) sounding.set(pitch, colour);
      if (left > full || left + wide < keys) continue;
      pen.globalAlpha = now ? 1 : 0.28 + 0.72 * Math.min(1, Math.max(0, (velocity - 24) / 88));
      pen.fillStyle = colour;
      const tall = Math.max(3, g.row - 1);
      pen.beginPath();
      pen.roundRect(left, g.y(pitch) + (g.row - tall) / 2, Math.max(2.5, wide - 1), tall, Math.min(2.5, tall / 2));
      pen.fill();
      if (now) (pen.strokeStyle = colours.ink), (pen.lineWidth = 1), pen.stroke();
    }
    return sounding;
  }

  // When bars begin: as they are played where that is known, else by the tempo.
  function barStarts() {
    if (take.bars && take.bars.length > 1) return take.bars.slice(0, -1);
    const bar = (take.meter[0] * 4 * 60) / take.meter[1] / take.tempo_bpm;
    return Array.from({ length: Math.ceil(length() / bar) }, (_, n) => n * bar);
  }

  function drawBars(g, bottom) {
    const starts = barStarts(), bar = length() / Math.max(1, starts.length);
    const every = Math.max(1, 2 ** Math.ceil(Math.log2(34 / (bar * g.scale)))); // keep the numbers apart
    pen.font = `11px ${colours.font}`;
    pen.textAlign = "left";
    pen.textBaseline = "alphabetic";
    for (const [n, start] of starts.entries()) {
      const left = Math.round(g.x(start)) + 0.5;
      if (left < keys || left > keys + g.width) continue;
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
    pen.fillRect(0, top, keys - 1, g.height);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.font = `9px ${colours.font}`;
    const shown = Array.from({ length: view.count }, (_, n) => view.lowest + n);
    for (const pitch of shown) {
      const step = stepOf(pitch), place = g.y(pitch);
      if (!isBlack(pitch) && sounding.has(pitch)) {
        pen.fillStyle = sounding.get(pitch);
        pen.fillRect(0, place, keys - 1, g.row);
      }
      // White keys meet below C and F, and behind the middle of a black key.
      pen.fillStyle = colours["key-line"];
      if (step === 0 || step === 5) pen.fillRect(0, Math.round(place + g.row), keys - 1, 1);
      if (isBlack(pitch)) pen.fillRect(keys * 0.58, Math.round(place + g.row / 2), keys * 0.42 - 1, 1);
    }
    for (const pitch of shown) {
      const place = g.y(pitch);
      if (isBlack(pitch)) {
        pen.fillStyle = sounding.get(pitch) || colours["key-black"];
        pen.beginPath();
        pen.roundRect(0, place + 0.3, keys * 0.58, g.row - 0.6, [0, 1.5, 1.5, 0]);
        pen.fill();
      } else if (stepOf(pitch) === 0 && keys > 30) {
        pen.fillStyle = sounding.has(pitch) ? colours.surface : colours["key-ink"];
        pen.fillText(`C${pitch / 12 - 1}`, keys - 3, place + g.row / 2 + 0.5);
      }
    }
    pen.fillStyle = colours.line;
    pen.fillRect(keys - 1, top, 1, g.height);
  }

  function resize() {
    const ratio = (window.devicePixelRatio || 1) * zoomOf(canvas), box = canvas.getBoundingClientRect();
    if (!box.width) return;
    canvas.width = Math.round(box.width * (window.devicePixelRatio || 1));
    canvas.height = Math.round(box.height * (window.devicePixelRatio || 1));
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw();
  }

  function show(value) {
    take = value;
    view.from = 0;
    if (!take) return pen.clearRect(0, 0, canvas.width, canvas.height);
    const counted = { count: take.notes.length, seconds: take.duration_s.toFixed(0) };
    tell(canvas, message("Piano roll: {count} notes in {seconds} seconds.", counted), "aria-label");
    canvas.dataset.notes = take.notes.length;
    canvas.dataset.left = take.notes.filter((_, n) => isLeft(n)).length;
    canvas.dataset.chords = (take.chords || []).map((chord) => chord[2]).join(" ");
    fitLanes();
    readColours();
    fitPitches();
    resize();
  }

  // The time under a place `px` pixels from the left, or null where the keyboard is.
  const timeAt = (px) => (px < keys ? null : view.from + (px - keys) / geometry().scale);
  const onRuler = (py) => py < ruler;

  new ResizeObserver(resize).observe(canvas);
  // Gradio marks the dark theme with a class on the body.
  new MutationObserver(() => (readColours(), draw())).observe(document.body, { attributeFilter: ["class"] });
  readColours();
  return { draw, show, timeAt, onRuler, barStarts: () => (take ? barStarts() : []) };
}
