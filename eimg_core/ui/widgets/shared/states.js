// What was made in this browser. A state is a piece as it was on show: its recipe, the piece itself, packed, and what a
// list shows of it. All states are in the browser's own storage, which every tab reads anew before it writes; which of
// them a tab has shown one after another, its trail, lasts as long as the tab. A photo is never kept, and a small picture
// of it only where the visitor said so. What is read back may be anything (other versions, other hands), so it is checked.

const STORE = "eimg-studio-history", TRAIL = "eimg-studio-trail", PICTURES = "eimg-studio-pictures";
const MOST_STATES = 100, LONGEST_TRAIL = 100;

const isNumber = (value, low, high) => typeof value === "number" && value >= low && value <= high;
const asPoint = (value) =>
  value && isNumber(value.valence, 1, 9) && isNumber(value.arousal, 1, 9) ? { valence: value.valence, arousal: value.arousal } : null;
const isSmallNote = (note) => Array.isArray(note) && note.length === 3 && note.every((n) => isNumber(n, -10, 400));

function checkedState(state) {
  if (!state || typeof state !== "object" || typeof state.id !== "string") return null;
  const { recipe, target } = state, aim = asPoint(target);
  if (!aim || !recipe || typeof recipe.pairing !== "string" || !Array.isArray(recipe.steps)) return null;
  if (!isNumber(recipe.seed, 0, 2 ** 31) || !isNumber(recipe.seconds, 1, 600) || !isNumber(state.made, 0, 1e15)) return null;
  const text = (value, longest = 80) => String(value || "").slice(0, longest);
  return {
    id: text(state.id), page: state.page === "story" ? "story" : "create", number: isNumber(state.number, 1, 1e9) ? state.number : 1,
    made: state.made, opened: isNumber(state.opened, 0, 1e15) ? state.opened : state.made, star: state.star === true,
    region: text(state.region), title: text(state.title), target: aim, before: asPoint(state.before), piece: asPoint(state.piece),
    duration: isNumber(state.duration, 0, 600) ? state.duration : 0,
    roll: Array.isArray(state.roll) ? state.roll.filter(isSmallNote).slice(0, 200) : [],
    packed: /^[\w-]+$/.test(state.packed) ? state.packed : null,
    picture: /^data:image\/jpeg;base64,[\w+/=]{1,20000}$/.test(state.picture) ? state.picture : null,
    recipe: { ...recipe, photo_id: recipe.photo_id ?? recipe.photo ?? null }, // versions before 0.2 called it photo
  };
}

function stored(store, key, otherwise) {
  try {
    return JSON.parse(store().getItem(key)) ?? otherwise;
  } catch {
    return otherwise; // damaged, or the browser keeps nothing
  }
}
function keep(store, key, value) {
  try {
    store().setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false; // full, or forbidden
  }
}
const forGood = () => localStorage, forThisTab = () => sessionStorage;

// All states, the oldest first. `changed` is called when another tab has changed them.
function createStates(changed) {
  let states = [], raw = null;

  function all() {
    let text = raw;
    try {
      text = localStorage.getItem(STORE);
    } catch {}
    if (text === raw) return states;
    raw = text;
    const found = stored(forGood, STORE, []);
    states = Array.isArray(found) ? found.map(checkedState).filter(Boolean).slice(-MOST_STATES) : [];
    return states;
  }

  function dropOne() {
    const plain = states.findIndex((state) => !state.star); // favourites stay longest
    states.splice(Math.max(plain, 0), 1);
  }
  function update(change) {
    all();
    states = change(states);
    while (states.length > MOST_STATES) dropOne();
    while (!keep(forGood, STORE, states) && states.length > 1 && raw !== null) dropOne();
    try {
      raw = localStorage.getItem(STORE);
    } catch {} // what is not kept lasts as long as the page
  }

  window.addEventListener("storage", ({ key }) => key === STORE && changed());
  return {
    all,
    find: (id) => all().find((state) => state.id === id),
    // A piece that was shown before is the same state, whatever is known of it by now.
    add(details) {
      const key = keyOf(details), known = all().find((state) => keyOf(state) === key);
      const id = known ? known.id : `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
      const made = known ? known.made : Date.now(), number = known ? known.number : 1 + Math.max(0, ...all().map((one) => one.number));
      const state = { star: false, picture: null, ...known, ...details, id, made, number, opened: Date.now() };
      update((states) => (known ? states.map((one) => (one.id === id ? state : one)) : [...states, state]));
      return id;
    },
    remove: (id) => update((states) => states.filter((state) => state.id !== id)),
    star: (id) => update((states) => states.map((state) => (state.id === id ? { ...state, star: !state.star } : state))),
    dropPictures: () => update((states) => states.map((state) => ({ ...state, picture: null }))),
  };
}

// The states that this tab has shown one after another; what was undone goes when something new is shown.
function createTrail() {
  const found = stored(forThisTab, TRAIL, {}), ids = Array.isArray(found.ids) ? found.ids.filter((id) => typeof id === "string") : [];
  let trail = { ids, at: Number.isInteger(found.at) && found.at < ids.length ? found.at : ids.length - 1 };
  const set = (ids, at) => ((trail = { ids, at }), keep(forThisTab, TRAIL, trail));
  return {
    now: () => trail.ids[trail.at],
    place: () => trail.at,
    idAt: (at) => trail.ids[at],
    // The nearest state in a direction that is still there, with its place in the trail.
    beside(way, exists) {
      for (let at = trail.at + way; at >= 0 && at < trail.ids.length; at += way) if (exists(trail.ids[at])) return { id: trail.ids[at], at };
      return null;
    },
    go: (at) => set(trail.ids, at),
    push(id) {
      if (trail.ids[trail.at] === id) return;
      const ids = [...trail.ids.slice(0, trail.at + 1), id].slice(-LONGEST_TRAIL);
      set(ids, ids.length - 1);
    },
  };
}

// The same piece has the same key, whatever order its settings are written in.
const recipeKey = (recipe) =>
  JSON.stringify(recipe, (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, value[key]]))
      : value
  );
const keyOf = ({ page, recipe, packed }) => (page === "story" ? packed : recipeKey(recipe)); // a recipe names no photos of a story

// The same for all takes of a piece.
function anyTakeKey(state) {
  const { steps, ...recipe } = state.recipe;
  if (state.page === "story") return keyOf(state);
  return recipeKey(steps.length ? { ...recipe, steps: [...steps.slice(0, -1), { ...steps.at(-1), keep: null }] } : { ...recipe, steps, keep: null });
}

function stateOf(page, value) {
  const { recipe, target, piece } = value, before = recipe.steps.length > 1 ? recipe.steps.at(-2).target : recipe.target || value.photo;
  return {
    page, recipe, packed: value.packed, region: target.region, title: value.pairing_title, duration: value.duration_s,
    target: asPoint(target), before: asPoint(before), piece: asPoint(piece), roll: tinyNotes(value.notes, value.duration_s || 1),
  };
}

// What a widget asks for by itself must wait until the page is built: before, nobody listens.
const whenBuilt = (act) => (document.body.dataset.settled === undefined ? setTimeout(whenBuilt, 50, act) : act());

// The piece that the address holds, as #create=… or #story=…. It is taken once; then the address names the page alone.
function takeLinked(page) {
  const [, packed] = new RegExp(`^#${page}=([\\w-]+)$`).exec(location.hash) || [];
  if (packed) history.replaceState(null, "", `#${page}`);
  return packed || null;
}
