// The emotion plane. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`, after plane_map.js;
// emotion_plane.py says what the value holds.

const find = (selector) => element.querySelector(selector);
const map = find(".plane-map");
const { region, place, placePhoto, link } = createMap(map, props.regions, props.neutral_radius);
const back = find(".plane-back"), stronger = find(".plane-stronger");
const STRONGER = 1.5; // times as far from the mean of all photos
const sliders = { valence: find("input[name=valence]"), arousal: find("input[name=arousal]") };

const takeMarks = find(".plane-takes");
const gap = find(".plane-gap");

const TAKES_APART = 16;
const tenth = (number) => Math.round(number * 10) / 10;
const targetOf = (photo) => photo && photo.target; // where nobody chose one
const targetAt = (point) => message("Target at {point}.", { point: where(point, region) });
const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(1);

// Where the guide hears the takes: a letter each, on a small ring; those in one place stand side by side.
function placeTakes(takes) {
  const places = (takes || []).map(({ valence, arousal }) => ({ x: toX(valence), y: toY(arousal) }));
  keepApart(places, TAKES_APART, 8);
  takeMarks.replaceChildren(...(takes || []).map(({ letter, kept }, n) => {
    const at = places[n];
    const mark = svg("g", { class: kept ? "plane-take kept" : "plane-take" }, svg("circle", { cx: at.x, cy: at.y, r: 7.5 }));
    mark.append(svg("text", { x: at.x, y: at.y + 3.5 }, letter));
    return mark;
  }));
}

// How far apart target and piece are, beside the middle of their line.
function placeGap(from, to) {
  const apart = from && to ? Math.hypot(from.valence - to.valence, from.arousal - to.arousal) : 0;
  gap.style.visibility = apart >= 0.5 ? "visible" : "hidden"; // closer, there is no room between the marks
  if (apart < 0.5) return;
  gap.textContent = apart.toFixed(1);
  gap.setAttribute("x", Math.min((toX(from.valence) + toX(to.valence)) / 2 + 8, LEFT + SIDE - 26));
  gap.setAttribute("y", (toY(from.arousal) + toY(to.arousal)) / 2 - 6);
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
  tell(word, point ? message(region(point)) : empty);
  valence.textContent = number("valence");
  arousal.textContent = number("arousal");
}

// The eight moods: one tap aims at the middle of a region, and the page composes for it.
const MOOD = 2.6; // points from the middle of the plane
const moods = props.regions.map(([name, direction]) => {
  const turn = (direction * Math.PI) / 180, button = document.createElement("button");
  button.type = "button";
  button.dataset.region = name;
  tell(button, message(name));
  button.addEventListener("click", () => {
    aim({ valence: tenth(MIDDLE + MOOD * Math.cos(turn)), arousal: tenth(MIDDLE + MOOD * Math.sin(turn)) });
    if ((document.body.dataset.page || "create") === "create") trigger("submit");
  });
  return button;
});
find(".plane-moods").append(...moods);

function draw() {
  const { photo, piece, takes, target: chosen, reading } = props.value || {};
  const target = chosen || targetOf(photo);
  back.hidden = !(photo && chosen);
  stronger.hidden = !target;
  stronger.disabled = target && same(moreOf(target), target);
  find(".plane-hint").hidden = !back.hidden;
  tell(find(".plane-hint"), reading ? message("Reading the photo …") : photo ? message("Drag to aim elsewhere") : message("Click to choose one"));

  for (const mood of moods) mood.setAttribute("aria-pressed", Boolean(target) && region(target) === mood.dataset.region);
  tell(find(".plane-remark"), (photo && photo.remark && said(photo.remark)) || "");
  placePhoto(photo);
  place(".mark-target", target);
  place(".mark-reach", target);
  place(".mark-piece", piece);
  link(target, piece);
  placeTakes(takes);
  placeGap(target, piece);

  fillRow("photo", photo, reading ? message("reading …") : "");
  fillRow("target", target);
  fillRow("piece", piece);
  for (const [name, slider] of Object.entries(sliders)) {
    slider.value = target ? clamp(target[name]) : MIDDLE;
    slider.style.setProperty("--done", `${((slider.value - LOW) / (HIGH - LOW)) * 100}%`);
    const offset = photo && target ? target[name] - photo[name] : 0;
    slider.previousElementSibling.textContent = Math.abs(offset) >= 0.05 ? signed(offset) : "";
    tell(slider.previousElementSibling, message("from the photo"), "title");
    slider.parentElement.style.setProperty("--photo", photo ? (clamp(photo[name]) - LOW) / (HIGH - LOW) : -1);
    const level = target ? { number: Number(slider.value).toFixed(1), region: message(region(target)) } : null;
    tell(slider, level ? message("{number} of 9, {region}", level) : message("not chosen"), "aria-valuetext");
  }
  tell(map, joined([message("The emotion plane."), target ? targetAt(target) : message("No emotion chosen yet.")], message(" ")), "aria-label");
  map.dataset.target = target ? `${target.valence.toFixed(1)},${target.arousal.toFixed(1)}` : "";
  map.dataset.photo = photo ? `${photo.valence.toFixed(1)},${photo.arousal.toFixed(1)}` : "";
}

function announce() {
  learn(props.value);
  const { photo } = props.value || {};
  if (photo) tell(find(".plane-live"), message("The photo feels {region}.", { region: message(region(photo)) }));
  draw();
}

function aim(point) {
  props.value = { ...props.value, target: point };
  draw();
  trigger("input");
}

const moreOf = (point) =>
  Object.fromEntries(Object.entries(props.mean).map(([axis, mean]) => [axis, tenth(clamp(mean + STRONGER * (point[axis] - mean)))]));
const same = (one, other) => Math.abs(one.valence - other.valence) < 0.1 && Math.abs(one.arousal - other.arousal) < 0.1;

function aimAt(event) {
  const corner = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  const { valence, arousal } = toPoint(corner.x, corner.y);
  aim({ valence: tenth(valence), arousal: tenth(arousal) });
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
map.addEventListener("keydown", (event) => {
  const { photo, target } = props.value || {};
  const step = STEPS[event.key];
  if (step) {
    const start = target || targetOf(photo) || { valence: MIDDLE, arousal: MIDDLE }, size = event.shiftKey ? 1 : 0.1;
    aim({ valence: tenth(clamp(start.valence + size * step[0])), arousal: tenth(clamp(start.arousal + size * step[1])) });
  } else if ((event.key === "Home" || event.key === "Escape") && photo && target) aim(null);
  else return;
  event.preventDefault();
  const now = (props.value || {}).target || targetOf(photo);
  tell(find(".plane-live"), targetAt(now));
});

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
    const start = target || targetOf(photo) || { valence: MIDDLE, arousal: MIDDLE };
    aim({ valence: tenth(clamp(start.valence)), arousal: tenth(clamp(start.arousal)), [name]: Number(slider.value) });
  });
}
stronger.addEventListener("click", () => {
  const { photo, target } = props.value;
  const point = moreOf(target || targetOf(photo));
  aim(point);
  tell(find(".plane-live"), targetAt(point));
});
back.addEventListener("click", () => {
  aim(null);
  map.focus(); // the button is gone
});

// The library names the regions; the page must agree, and a test asks it.
element.regionOf = (valence, arousal) => region({ valence, arousal });

watch("value", announce);
draw();
