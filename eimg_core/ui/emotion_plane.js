// The emotion plane. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`; emotion_plane.py says
// what the value holds. The plot is a square of 320 units whose lower left corner is (valence 1, arousal 1).

const LEFT = 30, TOP = 8, SIDE = 320, LOW = 1, HIGH = 9, MIDDLE = 5;
const UNIT = SIDE / (HIGH - LOW);

const find = (selector) => element.querySelector(selector);
const map = find(".plane-map");
const back = find(".plane-back");
const sliders = { valence: find("input[name=valence]"), arousal: find("input[name=arousal]") };

const x = (valence) => LEFT + (valence - LOW) * UNIT;
const y = (arousal) => TOP + (HIGH - arousal) * UNIT;
const clamp = (number) => Math.min(HIGH, Math.max(LOW, number));
const tenth = (number) => Math.round(number * 10) / 10;

function region({ valence, arousal }) {
  const dx = valence - MIDDLE, dy = arousal - MIDDLE;
  if (Math.hypot(dx, dy) < props.neutral_radius) return "neutral";
  const angle = (Math.atan2(dy, dx) * 180) / Math.PI;
  const turn = (direction) => Math.abs(((angle - direction + 540) % 360) - 180);
  return props.regions.reduce((best, next) => (turn(next[1]) < turn(best[1]) ? next : best))[0];
}

function place(selector, point) {
  const mark = map.querySelector(selector);
  mark.style.visibility = point ? "visible" : "hidden";
  if (point) mark.style.transform = `translate(${x(clamp(point.valence))}px, ${y(clamp(point.arousal))}px)`;
}

function fillRow(name, point, empty = "") {
  const row = find(`[data-row=${name}]`);
  const [word, valence, arousal] = row.querySelectorAll("td");
  const number = (key) => {
    if (!point) return "–";
    const doubt = point["sd_" + key];
    return point[key].toFixed(1) + (doubt ? ` ± ${doubt.toFixed(1)}` : "");
  };
  row.classList.toggle("absent", !point);
  word.textContent = point ? region(point) : empty;
  valence.textContent = number("valence");
  arousal.textContent = number("arousal");
}

function draw() {
  const { photo, piece, target: chosen, reading } = props.value || {};
  const target = chosen || (photo && { valence: photo.valence, arousal: photo.arousal });
  back.hidden = !(photo && chosen);
  find(".plane-hint").hidden = !back.hidden;
  find(".plane-hint").textContent = reading ? "Reading the photo …" : photo ? "Drag to aim elsewhere" : "Click to choose one";

  place(".mark-photo", photo);
  place(".mark-target", target);
  place(".mark-reach", target);
  place(".mark-piece", piece);
  place(".plane-doubt", photo && photo.sd_valence ? photo : null);
  if (photo && photo.sd_valence) {
    find(".plane-doubt").setAttribute("rx", photo.sd_valence * UNIT);
    find(".plane-doubt").setAttribute("ry", photo.sd_arousal * UNIT);
  }
  find(".plane-link").setAttribute(
    "d",
    piece && target ? `M${x(target.valence)} ${y(target.arousal)}L${x(clamp(piece.valence))} ${y(clamp(piece.arousal))}` : ""
  );

  fillRow("photo", photo, reading ? "reading …" : "");
  fillRow("target", target);
  fillRow("piece", piece);
  for (const [name, slider] of Object.entries(sliders)) {
    slider.value = target ? clamp(target[name]) : MIDDLE;
    slider.style.setProperty("--done", `${((slider.value - LOW) / (HIGH - LOW)) * 100}%`);
    slider.setAttribute("aria-valuetext", target ? `${Number(slider.value).toFixed(1)} of 9, ${region(target)}` : "not chosen");
  }
  const where = (point) => `valence ${point.valence.toFixed(1)}, arousal ${point.arousal.toFixed(1)}, ${region(point)}`;
  map.setAttribute("aria-label", `The emotion plane. ${target ? `Target at ${where(target)}.` : "No emotion chosen yet."}`);
  map.dataset.target = target ? `${target.valence.toFixed(1)},${target.arousal.toFixed(1)}` : "";
  map.dataset.photo = photo ? `${photo.valence.toFixed(1)},${photo.arousal.toFixed(1)}` : "";
}

function announce() {
  const { photo } = props.value || {};
  if (photo) find(".plane-live").textContent = `The photo feels ${region(photo)}.`;
  draw();
}

function aim(point) {
  props.value = { ...props.value, target: point };
  draw();
  trigger("input");
}

function aimAt(event) {
  const corner = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  aim({
    valence: tenth(clamp(LOW + (corner.x - LEFT) / UNIT)),
    arousal: tenth(clamp(HIGH - (corner.y - TOP) / UNIT)),
  });
}

let held = false;
map.addEventListener("pointerdown", (event) => {
  // A finger may be scrolling the page: it drags only what it picked up, and taps elsewhere count when it lifts.
  if (event.pointerType === "touch" && !event.target.classList.contains("mark-reach")) return;
  held = true;
  map.setPointerCapture(event.pointerId);
  if (event.pointerType !== "touch") aimAt(event);
});
map.addEventListener("pointermove", (event) => held && aimAt(event));
map.addEventListener("pointerup", () => (held = false));
map.addEventListener("pointercancel", () => (held = false));
map.addEventListener("click", (event) => event.pointerType === "touch" && aimAt(event));

for (const [name, slider] of Object.entries(sliders)) {
  slider.addEventListener("input", () => {
    const { photo, target } = props.value || {};
    const start = target || photo || { valence: MIDDLE, arousal: MIDDLE };
    aim({ valence: tenth(clamp(start.valence)), arousal: tenth(clamp(start.arousal)), [name]: Number(slider.value) });
  });
}
back.addEventListener("click", () => {
  aim(null);
  sliders.valence.focus(); // the button is gone
});

find(".plane-grid").setAttribute(
  "d",
  [2, 3, 4, 6, 7, 8].map((step) => `M${x(step)} ${TOP}v${SIDE}M${LEFT} ${y(step)}h${SIDE}`).join("")
);
const words = find(".plane-words");
for (const [name, direction] of props.regions) {
  const word = document.createElementNS("http://www.w3.org/2000/svg", "text");
  const angle = (direction * Math.PI) / 180;
  word.setAttribute("x", x(MIDDLE + 3 * Math.cos(angle)));
  word.setAttribute("y", y(MIDDLE + 3 * Math.sin(angle)) + 4);
  word.textContent = name;
  words.append(word);
}
// The library names the regions; the page must agree, and a test asks it.
element.regionOf = (valence, arousal) => region({ valence, arousal });

watch("value", announce);
draw();
