// The comparison. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`, after plane_map.js and
// transport.js; comparison.py says what the value holds. Each composer has a card, a row in the table and a mark on the
// plane, all with the same number and colour, and pointing at one of them lights up the others.

const PIECE_FILES = Object.fromEntries(props.formats.map(([key, title]) => [key, message(title)]));
const ALL_FILES = { zip: message("Everything (ZIP)"), csv: message("Table"), png: message("Picture") };
const COLOURS = 16, ROUND = 8; // colours of the style sheet; from the ninth on, marks are square as well
const BADGE = 9, APART = 2 * BADGE + 1;

const find = (selector) => element.querySelector(selector);
const root = find(".comparison"), plane = createMap(find(".plane-map"), props.regions, props.neutral_radius);
const titles = new Map(props.composers);

let value = {};
let parts = []; // one for each composer: card, transport, row, mark
let heard = null; // the part that sounded last

// ---- one composer ----------------------------------------------------------------------------------------------

function makePart(n) {
  const card = find("template").content.firstElementChild.cloneNode(true);
  fill(card);
  find(".comparison-cards").append(card); // its parts measure themselves, so it must be on the page
  const inCard = (selector) => card.querySelector(selector);
  const row = document.createElement("tr");
  row.innerHTML = '<th scope="row"><button type="button"><span class="entry-number"></span><span></span></button></th><td></td><td></td><td></td>';
  find(".comparison-rows").append(row);
  const label = svg("text", { y: 4 }, String(n + 1));
  const mark = svg("g", { class: "mark-entry" }, svg("line", {}), svg("circle", { class: "spot", r: 3 }),
    svg("g", { class: "badge" }, svg("rect", { x: -BADGE, y: -BADGE, width: 2 * BADGE, height: 2 * BADGE }), label));
  find(".marks").append(mark);
  const score = document.createElement("tr");
  score.innerHTML = '<th scope="row"><span class="entry-number"></span><span></span></th>' + "<td></td>".repeat(SCORES);
  find(".score-made").append(score);
  for (const node of [card, row, mark, score]) {
    node.style.setProperty("--mark", `var(--mark-${(n % COLOURS) + 1})`);
    node.classList.toggle("square", n % COLOURS >= ROUND);
  }
  for (const node of [card, row, score]) node.querySelector(".entry-number").textContent = n + 1;
  const part = { n, card, inCard, row, mark, score, transport: createTransport(card, { keys: 22, slowest: 14 }), now: {}, key: "" };

  for (const node of [card, row, mark, score]) {
    node.addEventListener("pointerenter", () => light(part, true));
    node.addEventListener("pointerleave", () => light(part, false));
    node.addEventListener("focusin", () => light(part, true));
    node.addEventListener("focusout", () => light(part, false));
  }
  for (const node of [row.querySelector("button"), mark]) node.addEventListener("click", () => visit(part));
  part.transport.audio.addEventListener("play", () => (heard = part));
  for (const name of ["play", "pause"])
    part.transport.audio.addEventListener(name, () => mark.classList.toggle("sounding", !part.transport.audio.paused));
  return part;
}

function removePart(part) {
  part.transport.load(null);
  for (const node of [part.card, part.row, part.mark, part.score]) node.remove();
  if (heard === part) heard = null;
}

function light(part, on) {
  for (const node of [part.card, part.row, part.mark, part.score]) node.classList.toggle("lit", on);
  if (on) part.mark.parentNode.append(part.mark); // in front of the others
  plane.link(on && part.now.piece ? value.target : null, part.now.piece);
}

function visit(part) {
  part.card.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  part.inCard(".transport-play").focus({ preventScroll: true });
}

// What the card says in its corner, and in the place of the roll while there is no piece.
function statusOf(now) {
  if (now.state === "waiting") return [message("waiting"), ""];
  if (now.state === "working") return [message(now.stage), ""];
  if (now.state === "failed") return [message("no piece"), said(now.message)];
  if (now.state === "stopped") return [message("stopped"), message("Not composed: you stopped before its turn.")];
  return [now.state === "done" ? message("{seconds} s", { seconds: now.took_s.toFixed(1) }) : "", ""];
}

function showPart(part, now) {
  const { inCard, row, score, transport } = part, done = now.state === "done", title = now.title;
  const key = JSON.stringify(done ? [now.pairing, now.files] : now);
  if (key === part.key) return;
  Object.assign(part, { key, now });
  part.card.dataset.state = now.state;
  for (const name of [inCard("h4"), row.querySelector("th span + span"), score.querySelector("th span + span")]) name.textContent = title;
  const [status, reason] = statusOf(now);
  tell(inCard(".entry-status"), status);
  tell(inCard(".entry-status"), done ? message("time to compose, once the models are loaded") : "", "title");
  tell(inCard(".entry-message"), reason);
  inCard(".player-bar").style.setProperty("--left", `${100 - 100 * (now.done || 0)}%`);
  inCard(".transport-play").dataset.what = title;
  tell(inCard(".transport-seek"), message("Position in the piece by {title}", { title }), "aria-label");
  tell(inCard(".entry-files"), message("Downloads of {title}", { title }), "aria-label");
  inCard(".entry-files").replaceChildren(...(done ? fileLinks(now.files, PIECE_FILES) : []));
  transport.load(done ? now : null);
  tell(inCard(".entry-landing"), !now.piece ? (done ? message("The evaluator cannot place this piece.") : "")
    : message("Estimated as {region}, {distance} from the target", { region: message(now.piece.region), distance: now.distance.toFixed(1) }));
  inCard(".entry-metrics").replaceChildren(...props.metrics.map(([name, title, digits]) => {
    const group = document.createElement("div"), term = document.createElement("dt"), detail = document.createElement("dd");
    const number = now.metrics && now.metrics[name];
    tell(term, message(title));
    detail.textContent = typeof number === "number" ? number.toFixed(digits) : "–";
    group.append(term, detail);
    return group;
  }));
  fillRow(row, now.piece, now.distance);
  fillScore(score, now, status);
}

function fillRow(row, point, distance) {
  const number = (figure) => (typeof figure === "number" ? figure.toFixed(1) : "–");
  const cells = row.querySelectorAll("td");
  cells[0].textContent = number(point && point.valence);
  cells[1].textContent = number(point && point.arousal);
  cells[2].textContent = cells[2].dataset.blank === undefined ? number(distance) : "";
  row.classList.toggle("absent", !point);
}

// ---- the score card --------------------------------------------------------------------------------------------

const SCORES = props.metrics.length + 3; // two Emotion Matchings before them, the time behind
for (const [, heading] of props.metrics) {
  const cell = Object.assign(document.createElement("th"), { scope: "col" });
  tell(cell, message(heading));
  find(".score-time").before(cell);
}

function fillScore(row, { matching, published, metrics }, time) {
  const number = (figure, digits) => (typeof figure === "number" ? figure.toFixed(digits) : "–");
  const many = published && published.mean.toFixed(2) + (published.seeds > 1 ? ` ± ${published.sd.toFixed(2)}` : "");
  const measured = props.metrics.map(([name, , digits]) => number(metrics && metrics[name], digits));
  [number(matching, 2), many || "–", ...measured, time].forEach((text, n) => tell(row.querySelectorAll("td")[n], text));
}

// Controls of one photo are the same for every card; their words go below the table.
function showControls() {
  const { controls = [], photo, cards = [] } = value;
  find(".score-controls").replaceChildren(...controls.map((control) => {
    const row = document.createElement("tr");
    row.innerHTML = '<th scope="row"></th>' + "<td></td>".repeat(SCORES);
    tell(row.querySelector("th"), message(control.name));
    fillScore(row, control, "–");
    return row;
  }));
  const best = Math.min(...cards.map((card) => (typeof card.matching === "number" ? card.matching : Infinity)));
  for (const part of parts) part.score.classList.toggle("best", part.now.matching === best);
  const many = controls.find((control) => control.published);
  tell(find(".score-note"), photo ? message("for this photo, with the controls it must beat") : message("without a photo there is no Emotion Matching"));
  tell(find(".score-words"), !controls.length ? "" : message(
    "Emotion Matching is the distance from the photo’s point to the estimate of the piece. {controls}. Test photos: {count} that nobody trained on, mean ± deviation over seeds.",
    { controls: joined(controls.map(({ words }) => message(words)), message("; ")), count: many ? many.published.photos : "–" },
  ));
}

// ---- the plane -------------------------------------------------------------------------------------------------

// Badges that would cover each other move apart; a line leads to the true spot.
function placeMarks() {
  const spots = parts.filter((part) => part.now.piece).map((part) => {
    const { valence, arousal } = part.now.piece;
    return { part, x: toX(valence), y: toY(arousal), badge: { x: toX(valence), y: toY(arousal) } };
  });
  keepApart(spots.map(({ badge }) => badge), APART, BADGE);
  for (const part of parts) part.mark.classList.toggle("placed", false);
  for (const { part, x, y, badge } of spots) {
    part.mark.classList.add("placed");
    part.mark.querySelector(".badge").style.transform = `translate(${badge.x}px, ${badge.y}px)`;
    part.mark.querySelector(".spot").style.transform = `translate(${x}px, ${y}px)`;
    const line = part.mark.querySelector("line");
    for (const [name, number] of Object.entries({ x1: x, y1: y, x2: badge.x, y2: badge.y })) line.setAttribute(name, number);
  }
}

function showPlane() {
  const { photo, target } = value;
  plane.placePhoto(photo);
  plane.place(".mark-target", target);
  placeMarks();
  fillRow(find("[data-row=photo]"), photo);
  fillRow(find("[data-row=target]"), target);
  const landed = parts.filter((part) => part.now.piece);
  const places = landed.map((part) => message("{number} at {point}", { number: part.n + 1, point: where(part.now.piece, plane.region) }));
  tell(find(".plane-map"), joined([
    message("The emotion plane."), target ? message("Target at {point}.", { point: where(target, plane.region) }) : "",
    landed.length ? message("Pieces: {places}.", { places: joined(places, message("; ")) }) : message("No pieces yet."),
  ], message(" ")), "aria-label");
}

// ---- the whole -------------------------------------------------------------------------------------------------

// Until the server speaks, the page knows by itself who will compose.
function cardsOf({ cards, pairings, state }) {
  if (cards) return cards;
  const keys = [...titles.keys()].filter((key) => (pairings || props.usual).includes(key));
  return keys.map((pairing) => ({ pairing, title: titles.get(pairing), state: state === "waiting" ? "waiting" : "idle" }));
}

function headline(made) {
  const { state = "empty", target, photo_name, seed, seconds, cards = [], fault } = value;
  if (state === "empty") return [message("No comparison yet"), message("Give it a photo, or choose an emotion in the plane, and press Compare.")];
  if (state === "failed") return [message("No comparison this time"), said(value.message)];
  if (state === "waiting") return [message("Getting ready"), message("Waiting for a free seat at the piano")];
  const title = message("Aiming for {region}", { region: message(target.region) });
  if (state === "working") return [title, message("{made} of {all} made", { made: made.length, all: cards.length })];
  if (fault) return [title, joined([message("The pieces are here, but they could not be packed."), said(fault)], message(" "))];
  const facts = [photo_name || message("no photo"), message("seed {seed}", { seed }), message("{seconds} s each", { seconds })];
  const nearest = made.filter((card) => card.distance !== null).sort((a, b) => a.distance - b.distance)[0];
  if (nearest && made.length > 1) facts.push(message("nearest to the target: {title}", nearest));
  return [title, joined(facts, "  ·  ")];
}

function remarksOf(made) {
  const who = new Map();
  made.forEach((card) => card.remarks.forEach((remark) => who.set(remark, [...(who.get(remark) || []), card.title])));
  return [...who].map(([remark, names]) => (names.length === made.length ? said(remark) : joined([names, said(remark)], ": ")));
}

function show() {
  const before = root.dataset.state;
  value = props.value || {};
  root.dataset.state = value.state || "empty";
  learn(value);
  const cards = cardsOf(value);
  while (parts.length > cards.length) removePart(parts.pop());
  while (parts.length < cards.length) parts.push(makePart(parts.length));
  parts.forEach((part, n) => showPart(part, cards[n]));
  showPlane();
  showControls();

  const made = cards.filter((card) => card.state === "done");
  const [title, facts] = headline(made);
  tell(find("header h3"), title);
  tell(find(".comparison-facts"), facts);
  find(".comparison-files").replaceChildren(...fileLinks(value.files || {}, ALL_FILES));
  find(".comparison-remarks").replaceChildren(...remarksOf(made).map((remark) => {
    const item = document.createElement("li");
    tell(item, remark);
    return item;
  }));
  const played = made.find((card) => card.engine);
  tell(find(".comparison-played"), played
    ? message("Played by {engine} with {soundfont}, all equally loud.", { engine: said(played.engine), soundfont: played.soundfont }) : "");
  tell(find(".comparison-keys"), made.length > 1
    ? message("Keys 1 to {last} change between the pieces at the same place; space plays and pauses.", { last: Math.min(cards.length, 9) }) : "");
  announce(cards, title, facts);
  if (root.dataset.state === "waiting" && before !== "waiting")
    root.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
}

let told = 0; // how many cards the screen reader has been told of
function announce(cards, title, facts) {
  const settled = cards.filter((card) => card.state === "done" || card.state === "failed");
  if (value.state === "waiting") told = 0;
  const live = find(".comparison-live"), last = settled.at(-1);
  if (value.state === "failed" || (value.state === "done" && told !== "all")) {
    tell(live, joined([title, facts], ": "));
    told = "all";
  } else if (settled.length > told) {
    const counts = { title: last.title, outcome: last.state === "done" ? message("ready") : said(last.message), done: settled.length, all: cards.length };
    tell(live, message("{title}: {outcome} {done} of {all}.", counts));
    told = settled.length;
  }
}

find(".comparison-stop").addEventListener("click", () => {
  const over = (card) => (card.state === "done" || card.state === "failed" ? card : { ...card, state: "stopped", piece: null });
  const started = Boolean(value.cards);
  props.value = started ? { ...value, state: "packing", cards: value.cards.map(over) } : {};
  show();
  trigger("stop");
});

// Starts another piece where the one that sounded last is now, as a share of its length.
function playInstead(part) {
  if (part === heard) return part.transport.toggle();
  if (heard && part.transport.canPlay()) part.transport.goTo((heard.transport.audio.currentTime / heard.transport.length()) * part.transport.length());
  part.transport.start();
}

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (!root.offsetParent || event.ctrlKey || event.metaKey || event.altKey) return;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  if (digit && parts[digit[1] - 1] && !takesText(event)) {
    event.preventDefault();
    playInstead(parts[digit[1] - 1]);
  } else if (event.code === "Space" && !usesSpace(event)) {
    const part = heard || parts.find((one) => one.transport.canPlay());
    if (!part) return;
    event.preventDefault();
    part.transport.toggle();
  }
}
document.addEventListener("keydown", onKey);
for (const name of ["photo", "target"]) find(`[data-row=${name}] td:last-child`).dataset.blank = "";

watch("value", show);
show();
