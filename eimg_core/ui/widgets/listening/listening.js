// The blind listening test. gr.HTML runs this once with `element`, `props` and `watch`, after transport.js and
// rules.js; __init__.py says what the value holds. Who wrote which piece is on the page only after the last
// answer: the sound comes from addresses made here, which tell nothing.

const find = (selector) => element.querySelector(selector), all = (selector) => [...element.querySelectorAll(selector)];
const root = find(".listening"), form = find(".listening-form");
const SIDES = ["A", "B"], ENOUGH_S = 1.5; // one has to have heard both before one can answer
const ASKS = ["fits", "better"];
const piece = Object.fromEntries(SIDES.map((side) => {
  const part = find(`[data-side=${side}]`);
  return [side, { part, audio: part.querySelector("audio"), play: part.querySelector("button") }];
}));

let value = {}; // of the comparison
let photo = ""; // address of the picture that the pieces were composed for
let test = null; // { id, trials: [{ A, B, heard, answers }], at, asks }
let sounds = new Map(); // card → blob address
let shown = null; // the answers in the table

const ready = () => (value.cards || []).filter((card) => card.state === "done" && card.files && card.files.wav);

// ---- before ----------------------------------------------------------------------------------------------------

function setUp() {
  const made = ready(), kept = keptAnswers(), { state = "empty", cards = [] } = value;
  const busy = state === "waiting" || state === "working" || state === "packing";
  const can = made.length > 1 && state === "done";
  const counts = { count: made.length, all: cards.length || "…", pairs: pairCount(made.length), subject: value.photo_name || message("your emotion") };
  tell(find(".listening-setup h3"), busy ? message("Preparing the pieces") : can ? message("Ready to listen") : message("Nothing to listen to yet"));
  tell(find(".listening-lead"), busy ? message("{count} of {all} pieces are ready.", counts)
    : state === "failed" ? said(value.message)
    : can ? message("{count} pieces for {subject}, equally loud. In each trial you hear two of them and do not know whose they are. {pairs} pairs.", counts)
    : message("Give a photo, choose two composers or more, and press Prepare the pieces. A finished comparison can be used as well."));
  form.hidden = !can;
  const trials = form.elements.trials;
  if (can && Number(trials.max) !== 2 * pairCount(made.length)) {
    trials.max = 2 * pairCount(made.length);
    trials.value = Math.min(pairCount(made.length), 15);
    form.elements.seed.value = Math.floor(Math.random() * 10000);
  }
  find(".listening-kept").replaceChildren(...(kept.length && !busy ? [
    countOf(kept.length), " ", linkButton(message("See them"), () => showResult(keptAnswers(), message("All answers kept in this browser"))),
  ] : []));
  root.dataset.state = "setup";
}

function countOf(count) {
  const words = document.createElement("span");
  tell(words, message("{count} answers of yours are kept in this browser.", { count }));
  return words;
}

function linkButton(text, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  tell(button, text);
  button.addEventListener("click", act);
  return button;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const made = ready(), go = find(".listening-go");
  go.disabled = true;
  try {
    await Promise.all(made.map(async (card) => {
      if (!sounds.has(card)) sounds.set(card, URL.createObjectURL(await (await fetch(card.files.wav.url)).blob()));
    }));
  } catch {
    tell(find(".listening-lead"), message("The pieces could not be fetched; they may be older than an hour. Press Prepare the pieces again."));
    return;
  } finally {
    go.disabled = false;
  }
  const wanted = Math.max(1, Math.min(Number(form.elements.trials.max), Math.round(Number(form.elements.trials.value)) || 1));
  const seed = Math.max(0, Math.round(Number(form.elements.seed.value)) || 0);
  const trials = trialOrder(made.length, wanted, seed).map(([a, b]) => ({ A: made[a], B: made[b], heard: { A: 0, B: 0 }, answers: {} }));
  test = { id: Date.now(), order_seed: seed, trials, at: 0, asks: form.elements.better.checked ? ASKS : ["fits"] };
  tell(find("[data-ask=fits] legend"), photo ? message("Which piece fits the photo better?")
    : value.target ? message("Which piece fits the emotion “{region}” better?", { region: message(value.target.region) })
    : message("Which piece fits the emotion better?"));
  find("[data-ask=better]").hidden = test.asks.length < 2;
  find(".listening-photo").hidden = !photo;
  if (photo) find(".listening-photo").src = photo;
  root.dataset.state = "trial";
  showTrial();
  root.scrollIntoView({ block: "nearest" });
});

// ---- a trial ---------------------------------------------------------------------------------------------------

const trial = () => test.trials[test.at];
const complete = (one) => test.asks.every((ask) => one.answers[ask]);
const both = (one) => SIDES.every((side) => one.heard[side] >= ENOUGH_S);

function showTrial() {
  for (const side of SIDES) {
    const { audio } = piece[side];
    audio.pause();
    audio.src = sounds.get(trial()[side]);
  }
  tell(find(".listening-trial h3"), message("Trial {number} of {count}", { number: test.at + 1, count: test.trials.length }));
  find(".listening-trial progress").value = test.at / test.trials.length;
  refresh();
  find(".listening-trial h3").focus({ preventScroll: true });
}

function refresh() {
  const one = trial(), open = both(one);
  for (const side of SIDES) {
    const { part, audio, play } = piece[side], length = audio.duration || 1;
    part.classList.toggle("playing", !audio.paused);
    play.setAttribute("aria-pressed", !audio.paused);
    tell(play, audio.paused ? message("Play piece {side}", { side }) : message("Pause piece {side}", { side }), "aria-label");
    part.querySelector("i").style.width = `${(100 * audio.currentTime) / length}%`;
    tell(part.querySelector(".listening-heard"), one.heard[side] >= ENOUGH_S ? message("heard") : message("not heard yet"));
  }
  for (const button of all(".listening-question button")) {
    button.disabled = !open;
    const ask = button.closest("fieldset").dataset.ask;
    button.setAttribute("aria-pressed", one.answers[ask] === button.dataset.answer);
  }
  find(".listening-next").disabled = !complete(one);
  tell(find(".listening-next"), test.at + 1 < test.trials.length ? message("Next") : message("See who it was"));
  find(".listening-back").disabled = test.at === 0;
}

// The other piece starts where this one is.
function play(side) {
  const { audio } = piece[side], other = piece[side === "A" ? "B" : "A"].audio;
  if (!audio.paused) return audio.pause();
  if (!other.paused && other.duration && audio.duration) audio.currentTime = Math.min((other.currentTime / other.duration) * audio.duration, audio.duration - 0.05);
  audio.play().catch(() => {});
}

for (const side of SIDES) {
  const { audio, play: button } = piece[side];
  let before = null;
  tell(button, message("Play piece {side}", { side }), "aria-label");
  button.addEventListener("click", () => play(side));
  audio.addEventListener("play", () => {
    before = audio.currentTime;
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  audio.addEventListener("timeupdate", () => {
    if (!test) return;
    const went = audio.currentTime - before;
    if (before !== null && went > 0 && went < 1) trial().heard[side] += went;
    before = audio.currentTime;
    refresh();
  });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => test && refresh());
}

function answer(ask, choice) {
  if (!both(trial())) return;
  trial().answers[ask] = choice;
  refresh();
  tell(find(".listening-live"), choice === "none" ? message("No difference.") : message("Piece {side}.", { side: choice }));
}

function turn(step) {
  if (step > 0 && !complete(trial())) return;
  if (test.at + step >= test.trials.length) return finish();
  test.at = Math.max(0, test.at + step);
  showTrial();
}

for (const button of all(".listening-question button"))
  button.addEventListener("click", () => answer(button.closest("fieldset").dataset.ask, button.dataset.answer));
find(".listening-next").addEventListener("click", () => turn(1));
find(".listening-back").addEventListener("click", () => turn(-1));
find(".listening-leave").addEventListener("click", finish);

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (root.dataset.state !== "trial" || !root.offsetParent || event.ctrlKey || event.metaKey || event.altKey || takesText(event)) return;
  const key = event.key.toLowerCase();
  // Digits answer the first question that is open; once all are answered, they change the last one.
  const ask = test.asks.find((one) => !trial().answers[one]) || test.asks.at(-1);
  const acts = {
    a: () => play("A"), b: () => play("B"), 1: () => answer(ask, "A"), 2: () => answer(ask, "B"), 0: () => answer(ask, "none"),
    arrowright: () => turn(1), arrowleft: () => turn(-1),
  };
  if (key === " " && !usesSpace(event)) acts[" "] = () => play(piece.B.audio.paused ? "A" : "B");
  if (!acts[key]) return;
  event.preventDefault();
  acts[key]();
}
document.addEventListener("keydown", onKey);

// ---- after -----------------------------------------------------------------------------------------------------

function finish() {
  for (const side of SIDES) piece[side].audio.pause();
  const answered = test.trials.filter(complete).map((one, n) => ({
    test: test.id, date: new Date(test.id).toISOString().slice(0, 10), trial: n + 1, order_seed: test.order_seed,
    photo: value.photo_name || "", seed: value.seed, A: one.A.title, B: one.B.title, ...one.answers,
    heard_A_s: Number(one.heard.A.toFixed(1)), heard_B_s: Number(one.heard.B.toFixed(1)),
  }));
  test = null;
  keepAnswers(answered);
  if (!answered.length) return setUp();
  showResult(answered, message("Who it was"));
}

function showResult(answers, title) {
  shown = answers;
  root.dataset.state = "result";
  const scope = answers.length === 1 ? message("1 answer") : message("{count} answers", { count: answers.length });
  tell(find(".listening-result h3"), title);
  const asks = ASKS.filter((ask) => answers.some((one) => one[ask]));
  tell(find(".listening-scope"), scope);
  find(".listening-result tbody").replaceChildren(...asks.flatMap((ask) => [
    ...(asks.length > 1 ? [headRow(ask === "fits" ? message("Which fits better") : message("Which is the better music"))] : []),
    ...tally(answers, ask).map(resultRow),
  ]));
  find(".listening-log").replaceChildren(...answers.map((one) => {
    const item = document.createElement("li"), names = { A: one.A, B: one.B, none: message("no difference") };
    const values = { A: one.A, B: one.B, fits: names[one.fits], better: names[one.better] };
    tell(item, one.better ? message("{A} or {B}: {fits}; better music: {better}", values) : message("{A} or {B}: {fits}", values));
    return item;
  }));
  tell(find(".listening-live"), joined([title, scope], ": "));
  find(".listening-result h3").focus({ preventScroll: true });
  root.scrollIntoView({ block: "nearest" });
}

function headRow(text) {
  const row = document.createElement("tr"), head = document.createElement("th");
  head.scope = "rowgroup";
  head.colSpan = 6;
  tell(head, text);
  head.className = "listening-part";
  row.append(head);
  return row;
}

function resultRow({ name, wins, losses, ties, share, low, high }) {
  const row = document.createElement("tr"), head = document.createElement("th");
  const percent = (part) => (part === null ? "–" : `${Math.round(100 * part)} %`);
  head.scope = "row";
  head.textContent = name;
  row.append(head, ...[wins, losses, ties, percent(share), share === null ? "–" : message("{low} to {high}", { low: percent(low), high: percent(high) })].map((text) => {
    const cell = document.createElement("td");
    tell(cell, text);
    return cell;
  }));
  return row;
}

find(".listening-again").addEventListener("click", setUp);
find(".listening-erase").addEventListener("click", () => (eraseAnswers(), (shown = null), setUp(), tell(find(".listening-live"), message("Your answers are erased."))));
find(".listening-csv").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([answersCsv(shown)], { type: "text/csv" }));
  link.download = "listening-test.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

// ---- the comparison comes in ------------------------------------------------------------------------------------

function show() {
  const before = value.state;
  value = props.value || {};
  learn(value);
  if (value.state === "waiting" && before !== "waiting") {
    for (const address of sounds.values()) URL.revokeObjectURL(address);
    sounds = new Map();
    const picture = document.querySelector("#photo img");
    photo = picture ? picture.src : "";
  }
  // Other pieces end a test that is under way; what was answered is kept.
  if (test && value.state === "waiting") return finish();
  if (!test && (root.dataset.state !== "result" || value.state === "waiting")) setUp();
}

watch("value", show);
show();
