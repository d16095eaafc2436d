// The emotion plane. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`, after plane_map.js;
// emotion_plane.py says what the value holds.

const find = (selector) => element.querySelector(selector);
const map = find(".plane-map");
const { region, place, placePhoto, link } = createMap(map, props.regions, props.neutral_radius);
const back = find(".plane-back");
const sliders = { valence: find("input[name=valence]"), arousal: find("input[name=arousal]") };

const tenth = (number) => Math.round(number * 10) / 10;

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

  placePhoto(photo);
  place(".mark-target", target);
  place(".mark-reach", target);
  place(".mark-piece", piece);
  link(target, piece);

  fillRow("photo", photo, reading ? "reading …" : "");
  fillRow("target", target);
  fillRow("piece", piece);
  for (const [name, slider] of Object.entries(sliders)) {
    slider.value = target ? clamp(target[name]) : MIDDLE;
    slider.style.setProperty("--done", `${((slider.value - LOW) / (HIGH - LOW)) * 100}%`);
    slider.setAttribute("aria-valuetext", target ? `${Number(slider.value).toFixed(1)} of 9, ${region(target)}` : "not chosen");
  }
  const words = target ? `Target at ${where(target, region)}.` : "No emotion chosen yet.";
  map.setAttribute("aria-label", `The emotion plane. ${words}`);
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
  const { valence, arousal } = toPoint(corner.x, corner.y);
  aim({ valence: tenth(valence), arousal: tenth(arousal) });
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

// The library names the regions; the page must agree, and a test asks it.
element.regionOf = (valence, arousal) => region({ valence, arousal });

watch("value", announce);
draw();
