// The actions below the player: takes, the same tune again, and what was made before. gr.HTML runs this once with
// `element`, `props`, `trigger` and `watch`, after tiny_roll.js and states.js; __init__.py says what the value holds.

const find = (selector) => element.querySelector(selector);
const root = find(".actions");
const LETTERS = "ABCDEFGH", MOVE = 1.5, CONTINUE_S = 15;
const { shortest: SHORTEST_S, longest: LONGEST_S, most_steps: MOST_STEPS } = props;
const KEPT_MS = 50 * 60 * 1000; // the server gives up files after an hour
const states = createStates(() => drawHistory()), trail = createTrail();
const memory = new Map(); // key of a recipe → { value, since }: what this page has shown
let piece = null; // the take that is on show
let drawn = ""; // which states are on the page
let marked = null; // the section that is marked in the player, in seconds
let going = null; // the place in the trail that undo or redo leads to, until its piece is there

const clamp = (number) => Math.min(9, Math.max(1, number));
const numbers = ({ valence, arousal }) =>
  message("valence {valence}, arousal {arousal}", { valence: valence.toFixed(1), arousal: arousal.toFixed(1) });

function make(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  if (text) tell(node, text); // what holds other elements has no words of its own
  return node;
}

// --- asking for pieces

const ask = (recipe, packed = null) => {
  props.value = { ...props.value, recipe, packed };
  trigger("submit");
};

// A piece that was on show: from this page's memory, or from what the browser kept of it.
function open(recipe, packed) {
  const known = memory.get(recipeKey(recipe));
  if (!known || Date.now() - known.since > KEPT_MS) return packed ? ask(null, packed) : ask(recipe);
  props.value = { ...props.value, show: known.value };
  trigger("select");
}

function retell(right, up) {
  const { valence, arousal } = piece.target, { recipe } = piece;
  const target = { valence: clamp(valence + MOVE * right), arousal: clamp(arousal + MOVE * up) };
  const step = { do: "retell", target, seconds: Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.round(piece.duration_s))), keep: null };
  ask({ ...recipe, steps: [...recipe.steps, step] }, piece.packed);
}

function goOn() {
  const { valence, arousal } = piece.target, { recipe } = piece;
  const seconds = Math.min(LONGEST_S, Math.ceil(piece.duration_s) + CONTINUE_S);
  const step = { do: "extend", target: { valence, arousal }, seconds, keep: null };
  ask({ ...recipe, steps: [...recipe.steps, step] }, piece.packed);
}

// The marked bars as [first, one after the last], as near to bar lines as they were marked; null where all or none are.
function markedBars() {
  const bars = (piece && piece.bars) || [], count = bars.length - 1;
  if (!marked || count < 2) return null;
  const nearest = (time) => bars.reduce((best, bar, n) => (Math.abs(bar - time) < Math.abs(bars[best] - time) ? n : best), 0);
  const first = Math.min(nearest(marked.start), count - 1), end = Math.max(first + 1, nearest(marked.end));
  return end - first < count ? [first, end] : null;
}

function fillBars() {
  const { recipe, target: { valence, arousal } } = piece;
  const step = { do: "fill", bars: markedBars(), target: { valence, arousal }, seconds: SHORTEST_S, keep: null };
  ask({ ...recipe, steps: [...recipe.steps, step] }, piece.packed);
}

function openTake(take) {
  const { recipe } = piece, chosen = piece.takes[take].choice ? null : take;
  const wanted = recipe.steps.length ? { ...recipe, steps: [...recipe.steps.slice(0, -1), { ...recipe.steps.at(-1), keep: chosen }] } : { ...recipe, keep: chosen };
  open(wanted, null);
}

function restore(state, at = null) {
  going = at;
  if (state.page === "story") return void (location.hash = `#story=${state.packed}`);
  open(state.recipe, state.packed);
}

// --- drawing

function drawTakes() {
  const takes = piece.takes || [];
  find(".actions-takes").hidden = !takes.length;
  find(".actions-takes ol").replaceChildren(...takes.map((take, n) => {
    const item = document.createElement("li"), button = make("button", "take");
    button.type = "button";
    button.setAttribute("aria-pressed", take.kept);
    const landing = take.estimate && { letter: LETTERS[n], region: message(take.estimate.region), distance: take.distance.toFixed(1) };
    const where = landing ? message("{region}, {distance} away", landing) : message("silent");
    const words = make("span", "take-where", where);
    button.append(make("b", "take-letter", LETTERS[n]), tinyRoll(tinyNotes(take.notes, take.duration_s || 1)), words);
    if (take.choice) button.append(make("em", "take-choice", message("guide’s choice")));
    tell(button, !landing ? message("Take {letter}: silent", { letter: LETTERS[n] })
      : take.choice ? message("Take {letter}: estimated as {region}, {distance} away from the target, the guide’s choice", landing)
      : message("Take {letter}: estimated as {region}, {distance} away from the target", landing), "aria-label");
    button.addEventListener("click", () => take.kept || openTake(n));
    item.append(button);
    return item;
  }));
}

function drawButtons() {
  const latest = (props.value && props.value.piece) || {};
  const busy = !piece || latest.state === "working" || Boolean(piece.pending);
  const able = Boolean(piece && props.composing.includes(piece.pairing));
  const steps = piece ? piece.recipe.steps.length : 0, long = piece ? piece.duration_s + 4 > LONGEST_S : false;
  for (const button of root.querySelectorAll("[data-move]")) {
    const [right, up] = button.dataset.move.split(",").map(Number), aim = piece && piece.target;
    const edge = aim && clamp(aim.valence + right) === aim.valence && clamp(aim.arousal + up) === aim.arousal;
    button.disabled = busy || !able || edge || steps >= MOST_STEPS;
  }
  find(".actions-longer").disabled = busy || !able || long || steps >= MOST_STEPS;
  const bars = markedBars(), fill = find(".actions-fill");
  fill.disabled = busy || !able || !bars || steps >= MOST_STEPS;
  tell(fill, !bars ? message("Fill bars anew") : bars[1] - bars[0] === 1 ? message("Fill bar {first} anew", { first: bars[0] + 1 })
    : message("Fill bars {first}–{last} anew", { first: bars[0] + 1, last: bars[1] }));
  tell(fill, bars ? message("The bars around them stay as they are") : message("Mark bars first: drag along the numbers above the roll"), "title");
  tell(find(".actions-why-not"), !piece ? ""
    : !able ? message("{composer} cannot keep a tune; composers that end in TVAE can.", { composer: piece.pairing_title })
    : steps >= MOST_STEPS ? message("This piece has been through enough; compose a new one.")
    : long ? message("A piece can last two minutes at most.") : message("Its melody stays, the rest is composed anew."));
  find(".actions-undo").disabled = busy || !trail.beside(-1, states.find);
  find(".actions-redo").disabled = busy || !trail.beside(1, states.find);
}

const clockOf = (made) =>
  new Date(made).toLocaleString([], { dateStyle: Date.now() - made < 864e5 ? undefined : "medium", timeStyle: "short" });

// What was done to it, in the words of the buttons.
function stepOf({ recipe: { steps, given_id }, before }) {
  const last = steps.at(-1);
  if (!last) return !given_id ? "" : /^file/.test(given_id) ? message("a piece of your own") : message("live");
  if (last.do === "extend") return message("continued");
  if (last.do === "fill") return message("filled");
  if (!before) return message("retold");
  const right = last.target.valence - before.valence, up = last.target.arousal - before.arousal;
  return Math.abs(up) > Math.abs(right) ? (up > 0 ? message("livelier") : message("calmer")) : right > 0 ? message("brighter") : message("darker");
}

function entryItem(entry) {
  const item = document.createElement("li"), open = make("button", "entry-open"), star = make("button", "quiet entry-star");
  const drop = make("button", "quiet entry-drop", "×"), { recipe } = entry;
  const lines = make("span", "entry-words");
  const take = (recipe.steps.at(-1) || recipe).keep;
  const title = [message("{number}. {region}", { number: entry.number, region: message(entry.region) }), stepOf(entry),
    Number.isInteger(take) ? message("take {letter}", { letter: LETTERS[take] }) : "", entry.page === "story" ? message("story") : ""];
  lines.append(
    make("strong", "", joined(title, message(", "))),
    make("small", "", numbers(entry.target)),
    make("small", "", joined([entry.title, message("seed {seed}", recipe), message("{seconds} s", { seconds: entry.duration.toFixed(0) })], " · ")),
    make("small", "", joined([clockOf(entry.made), recipe.photo_id ? message("for a photo") : ""], " · "))
  );
  for (const button of [open, star, drop]) button.type = "button";
  const picture = make(entry.picture ? "img" : "span", "entry-picture");
  if (entry.picture) Object.assign(picture, { src: entry.picture, alt: "" });
  const look = make("span", "entry-look");
  look.append(...(entry.picture ? [picture] : []), tinyRoll(entry.roll));
  open.append(look, lines);
  open.setAttribute("aria-current", entry.id === trail.now());
  open.addEventListener("click", () => restore(entry));
  star.textContent = entry.star ? "★" : "☆";
  star.setAttribute("aria-pressed", entry.star);
  const values = { number: entry.number, region: message(entry.region) };
  tell(star, message("Favourite: {number}. {region}", values), "aria-label");
  star.addEventListener("click", () => (states.star(entry.id), drawHistory(), focusOn(entry.id, ".entry-star")));
  tell(drop, message("Delete: {number}. {region}", values), "aria-label");
  drop.addEventListener("click", () => {
    const next = item.nextElementSibling || item.previousElementSibling;
    states.remove(entry.id);
    drawHistory();
    if (next) focusOn(next.dataset.id, ".entry-drop");
  });
  item.dataset.id = entry.id;
  item.append(open, star, drop);
  return item;
}

const focusOn = (id, selector) => {
  const item = [...root.querySelectorAll(".history li")].find((one) => one.dataset.id === id);
  if (item) item.querySelector(selector).focus();
};

// Takes of one piece stand in one place, that of the one that was opened last; favourites stay what they are.
function listed() {
  const latest = new Map(), all = states.all();
  for (const state of all) {
    const key = anyTakeKey(state), other = latest.get(key);
    if (!other || other.opened <= state.opened) latest.set(key, state);
  }
  return all.filter((state) => state.star || latest.get(anyTakeKey(state)) === state).reverse(); // the newest first
}

function drawHistory() {
  const entries = listed(), look = JSON.stringify([trail.now(), entries.map(({ id, star, picture }) => [id, star, Boolean(picture)])]);
  drawButtons();
  if (look === drawn) return; // so that what has the focus keeps it
  drawn = look;
  find(".history").hidden = !entries.length;
  find(".history ul").replaceChildren(...entries.map(entryItem));
}

// --- a new piece on the page

const PICTURE_PX = 96;

// A small picture of the photo on the inputs, as an address of its pixels alone.
function pictureOf() {
  const photo = document.querySelector("#photo img");
  if (!photo || !photo.naturalWidth) return null;
  const canvas = document.createElement("canvas"), scale = PICTURE_PX / Math.max(photo.naturalWidth, photo.naturalHeight);
  canvas.width = Math.max(1, Math.round(photo.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(photo.naturalHeight * scale));
  canvas.getContext("2d").drawImage(photo, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8);
}

function remember(value) {
  memory.set(recipeKey(value.recipe), { value, since: Date.now() });
  for (const old of [...memory.keys()].slice(0, -24)) memory.delete(old);
  const agreed = find(".history-pictures input").checked && value.recipe.photo_id && value.recipe.photo_id === props.value.photo;
  const id = states.add({ ...stateOf("create", value), ...(agreed ? { picture: pictureOf() } : {}) });
  const led = going === null ? null : trail.idAt(going);
  if (led === id) trail.go(going);
  else trail.push(id);
  going = null;
}

function show() {
  const value = props.value || {}, now = value.piece;
  const fresh = now && now.state === "done" && now.recipe && now !== piece;
  if (fresh) {
    piece = now;
    root.dataset.state = "ready";
    drawTakes();
    if (!now.pending) remember(now);
  }
  root.toggleAttribute("data-old", Boolean(piece && value.photo && piece.recipe.photo_id !== value.photo));
  drawHistory();
}

for (const button of root.querySelectorAll("[data-move]"))
  button.addEventListener("click", () => retell(...button.dataset.move.split(",").map(Number)));
find(".actions-longer").addEventListener("click", goOn);
find(".actions-fill").addEventListener("click", fillBars);
document.addEventListener("transport-loop", ({ target, detail }) => {
  if (!target.closest("#piece")) return;
  marked = detail.section;
  drawButtons();
}, true); // it does not bubble
for (const [name, way] of [["undo", -1], ["redo", 1]])
  find(`.actions-${name}`).addEventListener("click", () => {
    const next = trail.beside(way, states.find);
    if (next) restore(states.find(next.id), next.at);
  });

const pictures = find(".history-pictures input");
pictures.checked = stored(forGood, PICTURES, false) === true;
pictures.addEventListener("change", () => {
  keep(forGood, PICTURES, pictures.checked);
  if (!pictures.checked) states.dropPictures();
  drawHistory();
});

// A link wins over what this tab showed before it was loaded again.
function begin() {
  const linked = takeLinked("create"), last = states.find(trail.now());
  if (linked) ask(null, linked);
  else if (!piece && last) restore(last, trail.place());
}
window.addEventListener("hashchange", () => location.hash.startsWith("#create=") && begin());

watch("value", show);
show();
whenBuilt(begin);
