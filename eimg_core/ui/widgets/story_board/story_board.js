// The board of a story. gr.HTML runs this once with `element`, `props`, `trigger`, `server`, `upload` and `watch`, after
// plane_map.js; story_board.py says what the value holds. What a photo looks and feels like is kept here, by its path.

const find = (selector) => element.querySelector(selector);
const map = find(".story .plane-map"), plane = createMap(map, props.regions, props.neutral_radius);
const input = find(".story-drop input"), list = find(".story-list"), calm = matchMedia("(prefers-reduced-motion: reduce)");
const known = new Map(); // path → { point, thumb }
const TIP = 0.62; // where on its line an arrow stands: off the middle, where it would meet that of the way back
let reading = 0; // photos on their way
let stops = []; // where their numbers stand on the map
let now = -1; // the photo that is on while the piece plays

const files = () => props.value || [];
const named = (file) => file.orig_name || message("photo");
const announce = (words) => tell(find(".story-live"), words);

function keep(value) {
  props.value = value;
  draw();
  trigger("input");
}

// ---- adding ----------------------------------------------------------------------------------------------------

function fault(words) {
  const item = document.createElement("li");
  tell(item, words);
  find(".story-faults").append(item);
}

async function take(file) {
  const found = await server.read_stop(file);
  learn(found);
  if (found.fault) return fault(said(found.fault));
  known.set(file.path, found);
  keep([...files(), { path: file.path, orig_name: file.orig_name, meta: { _type: "gradio.FileData" } }]);
  const values = { name: named(file), region: message(found.point.region), count: files().length };
  announce(message("{name} added: {region}. {count} photos.", values));
}

async function add(fresh, prepare) {
  find(".story-faults").replaceChildren();
  const room = props.most - files().length - reading;
  if (fresh.length > room) 
    fault(message("A story has at most {most} photos; the last {count} were left out.", { most: props.most, count: fresh.length - Math.max(0, room) }));
  const taken = fresh.slice(0, Math.max(0, room));
  reading += taken.length;
  draw();
  for (const one of taken) {
    try {
      await take(await prepare(one));
    } catch {
      fault(message("{name} could not be sent; please try again, or choose a photo under 20 MB.", { name: one.name || named(one) }));
    }
    reading -= 1;
    draw();
  }
}

const send = async (file) => ({ path: (await upload(file)).path, orig_name: file.name });
input.addEventListener("change", () => (add([...input.files], send), (input.value = "")));
const drop = find(".story-drop");
for (const name of ["dragenter", "dragover"])
  drop.addEventListener(name, (event) => event.dataTransfer.types.includes("Files") && (event.preventDefault(), drop.classList.add("over")));
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => (event.preventDefault(), add([...event.dataTransfer.files], send)));
find(".story-examples").addEventListener("click", async () => add(await server.example_stops(null), (file) => file));
find(".story-clear").addEventListener("click", () => (keep([]), find(".story-faults").replaceChildren(), announce(message("All photos removed."))));

// ---- the list --------------------------------------------------------------------------------------------------

function move(from, to) {
  const order = [...files()];
  order.splice(to, 0, ...order.splice(from, 1));
  keep(order);
  announce(message("{name} is now number {number} of {count}.", { name: named(order[to]), number: to + 1, count: order.length }));
}

function button(label, glyph, act, disabled = false) {
  const node = document.createElement("button");
  node.type = "button";
  node.disabled = disabled;
  tell(node, label, "aria-label");
  tell(node, label, "title");
  node.append(svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: glyph })));
  node.addEventListener("click", act);
  return node;
}

let held = -1;
function makeItem(file, n, all) {
  const { point, thumb } = known.get(file.path) || {};
  const item = document.createElement("li"), picture = document.createElement("img"), words = document.createElement("p");
  const number = document.createElement("span"), name = document.createElement("span"), feeling = document.createElement("em");
  item.draggable = true;
  item.classList.toggle("on", n === now);
  number.className = "story-number";
  number.textContent = n + 1;
  if (thumb) picture.src = thumb;
  picture.alt = "";
  picture.draggable = false;
  tell(name, named(file));
  tell(name, named(file), "title");
  tell(feeling, point ? message(point.region) : "");
  words.append(name, feeling);
  // After a move the focus goes along with the photo.
  const refocus = (to, which) => (move(n, to), list.children[to].querySelectorAll("button")[which].focus());
  item.append(number, picture, words,
    button(message("Move {name} up", { name: named(file) }), "M6 14l6-6 6 6", () => refocus(n - 1, n - 1 ? 0 : 1), n === 0),
    button(message("Move {name} down", { name: named(file) }), "M6 10l6 6 6-6", () => refocus(n + 1, n + 2 < all.length ? 1 : 0), n === all.length - 1),
    button(message("Remove {name}", { name: named(file) }), "M7 7l10 10M17 7L7 17", () => {
      keep(files().filter((_, other) => other !== n));
      announce(message("{name} removed.", { name: named(file) }));
      (list.children[Math.min(n, files().length - 1)]?.querySelector("button:last-child") || input).focus();
    }));
  item.addEventListener("dragstart", (event) => ((held = n), event.dataTransfer.setData("text/plain", ""), item.classList.add("held")));
  item.addEventListener("dragend", () => ((held = -1), draw()));
  item.addEventListener("dragover", (event) => held >= 0 && (event.preventDefault(), item.classList.toggle("over", held !== n)));
  item.addEventListener("dragleave", () => item.classList.remove("over"));
  item.addEventListener("drop", (event) => {
    if (held < 0) return;
    event.preventDefault();
    if (held !== n) move(held, n);
  });
  return item;
}

// ---- the plane -------------------------------------------------------------------------------------------------

const places = () => files().map((file) => known.get(file.path)).filter(Boolean).map(({ point }) => point);

function drawPath(points) {
  const spots = points.map(({ valence, arousal }) => ({ x: toX(valence), y: toY(arousal) }));
  const badges = spots.map((spot) => ({ ...spot }));
  keepApart(badges, 23, 11);
  find(".story-path").replaceChildren(...badges.slice(1).flatMap(({ x, y }, n) => {
    const from = badges[n], turn = (Math.atan2(y - from.y, x - from.x) * 180) / Math.PI;
    const line = svg("line", { x1: from.x, y1: from.y, x2: x, y2: y });
    if (Math.hypot(x - from.x, y - from.y) < 34) return [line]; // no room between the two numbers
    return [line, svg("path", { d: "M-5 -4.5L4 0L-5 4.5", transform: `translate(${from.x + TIP * (x - from.x)} ${from.y + TIP * (y - from.y)}) rotate(${turn})` })];
  }));
  find(".story-stops").replaceChildren(...badges.map(({ x, y }, n) => {
    const stop = svg("g", { transform: `translate(${x} ${y})` }, svg("circle", { r: 10 }), svg("text", { y: 4 }, String(n + 1)));
    stop.classList.toggle("on", n === now);
    return stop;
  }));
  stops = badges;
  const stopsSaid = points.map((point, n) => message("{number} at {point}", { number: n + 1, point: where(point, plane.region) }));
  tell(map, points.length ? message("The path of the story: {stops}.", { stops: joined(stopsSaid, message("; ")) })
    : message("The emotion plane; no photo yet."), "aria-label");
}

// The dot is where the piece is now; it moves evenly from stop to stop.
function placeDot(share) {
  const dot = find(".story-dot");
  dot.style.visibility = share === null || stops.length < 2 ? "hidden" : "visible";
  if (share === null || stops.length < 2) return;
  const at = Math.max(0, Math.min(1, share)) * (stops.length - 1), first = Math.min(Math.floor(at), stops.length - 2);
  const mix = (axis) => stops[first][axis] + (at - first) * (stops[first + 1][axis] - stops[first][axis]);
  dot.style.transform = `translate(${mix("x")}px, ${mix("y")}px)`;
  const on = Math.round(at);
  if (on === now) return;
  now = on;
  for (const group of [list.children, find(".story-stops").children])
    [...group].forEach((node, n) => node.classList.toggle("on", n === now));
}

function draw() {
  const all = files(), points = places();
  find(".story").dataset.reading = reading; // the button of the page waits until it is 0
  find(".story").classList.toggle("full", all.length >= props.most);
  list.replaceChildren(...all.map(makeItem));
  for (let n = 0; n < reading; n++) {
    const item = document.createElement("li");
    item.className = "coming";
    tell(item, message("reading …"));
    list.append(item);
  }
  tell(find(".story-hint"), all.length ? message("{chosen} of {all}", { chosen: all.length, all: props.most })
    : message("2 to 8, in the order of your story"));
  find(".story-examples").hidden = all.length > 0 || reading > 0 || props.examples < 2;
  find(".story-clear").hidden = all.length === 0;
  const ends = points.length > 1 ? { first: message(points[0].region), last: message(points.at(-1).region) } : null;
  tell(find(".story-span"), ends ? message("from {first} to {last}", ends) : "");
  drawPath(points);
}

// The story's player tells its time by its sound; media events do not bubble, but they can be captured.
let frame = 0;
function follow(audio) {
  cancelAnimationFrame(frame);
  if (!element.isConnected || !audio.isConnected) return;
  placeDot(audio.duration ? audio.currentTime / audio.duration : 0);
  if (!audio.paused && !calm.matches) frame = requestAnimationFrame(() => follow(audio));
}
for (const name of ["play", "pause", "seeked", "timeupdate", "ended"])
  document.addEventListener(name, (event) => event.target.closest?.("#story-piece") && follow(event.target), true);

placeDot(null);
watch("value", () => { if (!files().length) (now = -1), placeDot(null); draw(); });
draw();
