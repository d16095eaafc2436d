// The actions below the player: takes, the same tune again, and what was made before. gr.HTML runs this once with
// `element`, `props`, `trigger` and `watch`, after tiny_roll.js and history.js; actions.py says what the value holds.

const find = (selector) => element.querySelector(selector);
const root = find(".actions");
const LETTERS = "ABCDEFGH", MOVE = 1.5, CONTINUE_S = 15;
const { shortest: SHORTEST_S, longest: LONGEST_S, most_steps: MOST_STEPS, options: OPTIONS } = props;
const KEPT_MS = 50 * 60 * 1000; // the server gives up files after an hour
const history_ = createHistory();
const memory = new Map(); // key of a recipe → { value, since }: what this page has shown
let piece = null; // the take that is on show
let drawn = ""; // which entries are on the page
let at = null; // id of its entry in the history

const clamp = (number) => Math.min(9, Math.max(1, number));
const numbers = ({ valence, arousal }) =>
  message("valence {valence}, arousal {arousal}", { valence: valence.toFixed(1), arousal: arousal.toFixed(1) });

function make(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  if (text) tell(node, text); // what holds other elements has no words of its own
  return node;
}

const announce = (words) => tell(find(".actions-said"), words);

// --- asking for pieces

// A piece by its recipe: from this page's memory, or made again.
function want(recipe) {
  const known = memory.get(recipeKey(recipe));
  if (known && Date.now() - known.since < KEPT_MS) {
    props.value = { ...props.value, show: known.value };
    trigger("select");
  } else {
    props.value = { ...props.value, recipe };
    trigger("submit");
  }
}

function retell(right, up) {
  const { valence, arousal } = piece.target, { recipe } = piece;
  const target = { valence: clamp(valence + MOVE * right), arousal: clamp(arousal + MOVE * up) };
  const step = { do: "retell", target, seconds: Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.round(piece.duration_s))), keep: null };
  want({ ...recipe, steps: [...recipe.steps, step] });
}

function goOn() {
  const { valence, arousal } = piece.target, { recipe } = piece;
  const seconds = Math.min(LONGEST_S, Math.ceil(piece.duration_s) + CONTINUE_S);
  want({ ...recipe, steps: [...recipe.steps, { do: "extend", target: { valence, arousal }, seconds, keep: null }] });
}

function openTake(keep) {
  const { recipe } = piece, chosen = piece.takes[keep].choice ? null : keep;
  if (!recipe.steps.length) return want({ ...recipe, keep: chosen });
  want({ ...recipe, steps: [...recipe.steps.slice(0, -1), { ...recipe.steps.at(-1), keep: chosen }] });
}

function restore(entry) {
  at = entry.id;
  const photo = props.value && props.value.photo;
  if (entry.recipe.photo_id && entry.recipe.photo_id !== photo) {
    tell(find(".history-said"), message("This piece was made for another photo, which is not kept. Its settings are back: add that photo again to hear it exactly, or compose for the same point."));
    props.value = { ...props.value, settings: { ...entry.recipe, target: entry.target } };
    trigger("apply");
    return drawHistory();
  }
  tell(find(".history-said"), "");
  want(entry.recipe);
}

// --- the link

function linkTo(value) {
  const { recipe, target } = value;
  const [right, up] = props.point, settings = { [right]: target.valence.toFixed(2), [up]: target.arousal.toFixed(2) };
  settings.pairing = recipe.pairing;
  for (const { name, kind, usual, address } of OPTIONS) {
    const value = recipe[name] ?? usual;
    if (address && kind !== "bool") settings[address] = value;
    else if (address && value !== usual) settings[address] = 1;
  }
  const query = Object.entries(settings).map(([key, text]) => `${key}=${encodeURIComponent(text)}`).join("&");
  return `${location.origin}${location.pathname}?${query}`;
}

async function copyLink() {
  const link = linkTo(piece);
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    // Without a secure connection browsers have no clipboard for pages; a selection can still be copied.
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = link;
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  root.dataset.link = link;
  announce(piece.recipe.photo_id ? message("Link copied. It holds the emotion and the settings, never the photo.") : message("Link copied."));
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
  tell(find(".actions-why-not"), !piece ? ""
    : !able ? message("{composer} cannot keep a tune; composers that end in TVAE can.", { composer: piece.pairing_title })
    : steps >= MOST_STEPS ? message("This piece has been through enough; compose a new one.")
    : long ? message("A piece can last two minutes at most.") : message("Its melody stays, the rest is composed anew."));
  const entries = history_.all(), place = entries.findIndex((entry) => entry.id === at);
  find(".actions-undo").disabled = busy || place < 1;
  find(".actions-redo").disabled = busy || place < 0 || place >= entries.length - 1;
  find(".actions-link").disabled = busy;
}

const clockOf = (made) =>
  new Date(made).toLocaleString([], { dateStyle: Date.now() - made < 864e5 ? undefined : "medium", timeStyle: "short" });

function entryItem(entry) {
  const item = document.createElement("li"), open = make("button", "entry-open"), star = make("button", "quiet entry-star");
  const drop = make("button", "quiet entry-drop", "×"), { recipe } = entry;
  const lines = make("span", "entry-words");
  const steps = recipe.steps.map((step) => (step.do === "extend" ? message("continued") : message("retold")));
  const take = (recipe.steps.at(-1) || recipe).keep;
  lines.append(
    make("strong", "", [message(entry.region), ...steps.slice(-1), ...(Number.isInteger(take) ? [message("take {letter}", { letter: LETTERS[take] })] : [])]),
    make("small", "", numbers(entry.target)),
    make("small", "", joined([entry.title, message("seed {seed}", recipe), message("{seconds} s", { seconds: entry.duration.toFixed(0) })], " · ")),
    make("small", "", joined([clockOf(entry.made), recipe.photo_id ? message("for a photo") : ""], " · "))
  );
  for (const button of [open, star, drop]) button.type = "button";
  open.append(tinyRoll(entry.roll), lines);
  open.setAttribute("aria-current", entry.id === at);
  open.addEventListener("click", () => restore(entry));
  star.textContent = entry.star ? "★" : "☆";
  star.setAttribute("aria-pressed", entry.star);
  const values = { region: message(entry.region), seed: recipe.seed };
  tell(star, message("Favourite: {region}, seed {seed}", values), "aria-label");
  star.addEventListener("click", () => (history_.star(entry.id), drawHistory(), focusOn(entry.id, ".entry-star")));
  tell(drop, message("Delete: {region}, seed {seed}", values), "aria-label");
  drop.addEventListener("click", () => {
    const next = item.nextElementSibling || item.previousElementSibling;
    history_.remove(entry.id);
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

function drawHistory() {
  const entries = history_.all(), look = JSON.stringify([at, entries.map(({ id, star, made }) => [id, star, made])]);
  drawButtons();
  if (look === drawn) return; // so that what has the focus keeps it
  drawn = look;
  find(".history").hidden = !entries.length;
  find(".history ul").replaceChildren(...[...entries].reverse().map(entryItem)); // the newest first
}

// --- a new piece on the page

function detailsOf(value) {
  return {
    made: Date.now(), region: value.target.region, title: value.pairing_title,
    target: { valence: value.target.valence, arousal: value.target.arousal },
    piece: value.piece && { valence: value.piece.valence, arousal: value.piece.arousal },
    duration: value.duration_s, roll: tinyNotes(value.notes, value.duration_s || 1), recipe: value.recipe,
  };
}

function remember(value) {
  const key = recipeKey(value.recipe), known = memory.has(key);
  memory.set(key, { value, since: Date.now() });
  for (const old of [...memory.keys()].slice(0, -24)) memory.delete(old);
  const entry = history_.find(at);
  if (entry && recipeKey(entry.recipe) === key) return; // it was asked for from the history
  const again = history_.all().find((one) => recipeKey(one.recipe) === key);
  if (known && again) return void (at = again.id);
  // Another take is the same piece, unless the one before is a favourite.
  if (entry && !entry.star && anyTakeKey(entry.recipe) === anyTakeKey(value.recipe)) return history_.change(at, detailsOf(value));
  at = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
  history_.add({ id: at, star: false, ...detailsOf(value) });
}

function show() {
  const value = props.value || {}, now = value.piece;
  const fresh = now && now.state === "done" && now.recipe && now !== piece;
  if (fresh) {
    piece = now;
    root.dataset.state = "ready";
    drawTakes();
    if (!now.pending) {
      announce("");
      remember(now);
    }
  }
  drawHistory();
}

for (const button of root.querySelectorAll("[data-move]"))
  button.addEventListener("click", () => retell(...button.dataset.move.split(",").map(Number)));
find(".actions-longer").addEventListener("click", goOn);
find(".actions-link").addEventListener("click", copyLink);
for (const [name, by] of [["undo", -1], ["redo", 1]])
  find(`.actions-${name}`).addEventListener("click", () => {
    const entries = history_.all(), place = entries.findIndex((entry) => entry.id === at);
    if (entries[place + by]) restore(entries[place + by]);
  });

watch("value", show);
show();
