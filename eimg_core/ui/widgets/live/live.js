// Live music. gr.HTML runs this once with `element`, `props`, `server` and `watch`, after tiny_roll.js; __init__.py says what
// the value holds. Of what was asked for, a bar sounds (`now`) and the one after it waits (`next`) for its time. Where the target
// moves meanwhile, bars are composed anew, and take over at the first beat or bar line by which they can be there. Names that end
// in _s are seconds; those of bars count from the beginning of the music.

const find = (selector) => element.querySelector(selector);
const root = find(".live"), calm = matchMedia("(prefers-reduced-motion: reduce)");
const EARLY_S = 0.05, BEGIN_S = 0.15, LET_GO_S = 0.08, CLICK_S = 0.02, FADE_S = 0.6, SHOWN_S = 12, MOVED = 0.2, NEAR_S = 0.001;
let audio = null, run = null;

const target = () => (props.value && props.value.target) || null;
const far = (a, b) => Math.hypot(a.valence - b.valence, a.arousal - b.arousal) > MOVED;
const explain = (words) => tell(find(".live-said"), words);
const startOf = (bars) => run.zero + bars.start_s;
const soonest = () => audio.currentTime - run.zero + EARLY_S; // the next moment of the music that can still be changed
const beatFrom = (moment, { beat_s }) => beat_s * Math.ceil(moment / beat_s);

// Asks for the bars that follow those that sound, or for others in their place from a beat of theirs on.
async function prepare(from = Infinity) {
  const mine = run, turn = ++mine.turn, aimed = target(), asked = performance.now(), { now } = mine;
  const from_s = now && from < now.end_s - NEAR_S ? from : null, least_s = 1.5 * mine.takes_s;
  mine.aimed = aimed;
  const { packed } = now || { packed: null }, { pairing } = props.value, seed = mine.seed + mine.count;
  const answer = await server
    .next_bars({ packed, from_s, least_s, target: aimed, pairing, seed, run: mine.name })
    .catch(() => ({ fault: message("The file could not be fetched; is the studio still running?").key }));
  if (run !== mine || turn !== mine.turn) return; // stopped, or asked anew
  learn(answer);
  if (answer.fault) return stop(true, said(answer.fault));
  const buffer = await soundOf(answer);
  if (run !== mine || turn !== mine.turn) return;
  const took_s = (performance.now() - asked) / 1000;
  mine.takes_s = Math.max(took_s, (took_s + mine.takes_s) / 2);
  if (schedule({ ...answer, sound: null, aimed }, buffer, from_s !== null)) follow();
}

// Lets bars sound at their time, or where they are late for their beat, at the next one; what waited there before gives way, and
// what sounds does where they are `within` it. Whether there was time for them.
function schedule(bars, buffer, within) {
  const { now, next } = run, soon = run.zero === null ? Infinity : soonest();
  const enters_s = within && soon > bars.start_s ? beatFrom(soon, bars) : bars.start_s;
  if (next && Math.max(soon, enters_s) > next.start_s + NEAR_S) return false; // the other begins before; tick() asks again
  if (next) next.source.stop();
  if (soon > enters_s) run.zero = audio.currentTime + BEGIN_S - enters_s;
  const source = new AudioBufferSourceNode(audio, { buffer }), voice = new GainNode(audio), begin = run.zero + enters_s;
  source.connect(voice).connect(run.gain);
  source.start(begin, enters_s - bars.start_s);
  if (enters_s > bars.start_s) voice.gain.setValueAtTime(0, begin).linearRampToValueAtTime(1, begin + CLICK_S);
  if (now) now.voice.gain.cancelScheduledValues(0);
  if (within) now.voice.gain.setTargetAtTime(0, begin, LET_GO_S / 3);
  run.next = { ...bars, start_s: enters_s, source, voice };
  run.hurried = false;
  return true;
}

// Of bars in which nothing sounds there is no sound.
async function soundOf(answer) {
  if (!answer.sound) return new AudioBuffer({ length: 1, sampleRate: audio.sampleRate });
  return audio.decodeAudioData(Uint8Array.from(atob(answer.sound), (letter) => letter.charCodeAt(0)).buffer);
}

// From when on bars for the place of the target can be heard, if they are asked for now: from a beat on, but for the last one of
// four; it gives way to the bar line.
function entry() {
  const { now, takes_s } = run, beat = beatFrom(soonest() + 1.1 * takes_s, now);
  const line = now.bar_s * Math.ceil(beat / now.bar_s - NEAR_S);
  return line - beat > 0.3 * now.bar_s ? beat : line;
}

// Composes what waits anew where the target has moved away from it. Where it begins before that could be heard, tick() does so.
// Bars that have not come yet are given up for others, once, where these may even be late.
function follow() {
  if (!run || !run.now || !target()) return;
  const { aimed } = run.next || run;
  if (!aimed || !far(target(), aimed)) return;
  const from = entry();
  if (run.next ? from < run.next.start_s + NEAR_S : !run.hurried && from + run.takes_s < run.now.end_s) {
    run.hurried = !run.next;
    prepare(from);
  }
}

function tick() {
  if (!root.getClientRects().length) return stop(false); // another page of the app is open, or this one is gone
  if (!run.next || audio.currentTime < startOf(run.next)) return;
  run.now = run.next;
  run.next = null;
  run.count += 1;
  const { notes, start_s, end_s, aimed } = run.now;
  run.notes = run.notes.filter(([start]) => start < start_s - NEAR_S).map(([start, stop, pitch]) => [start, Math.min(stop, start_s), pitch]);
  run.notes.push(...notes.filter(([start]) => start >= start_s - NEAR_S));
  show();
  if (end_s >= props.longest) return stop(true, message("Live music lasts {minutes} minutes at most.", { minutes: Math.round(props.longest / 60) }));
  prepare(target() && far(target(), aimed) ? entry() : Infinity);
}

function show() {
  const { end_s: end, region } = run.now, begin = Math.max(0, end - SHOWN_S);
  const seen = run.notes.filter((note) => note[1] > begin).map(([start, stop, pitch]) => [Math.max(0, start - begin), stop - begin, pitch]);
  find(".live-roll").replaceChildren(tinyRoll(tinyNotes(seen, Math.max(end - begin, 1))));
  tell(find(".live-where"), joined([message(region), message("{seconds} s", { seconds: end.toFixed(0) })], "  ·  "));
}

function start() {
  if (!target()) return explain(message("Choose an emotion in the plane, or give a photo, before you play live."));
  for (const other of document.querySelectorAll("audio")) other.pause();
  audio ||= new AudioContext();
  audio.resume();
  const gain = new GainNode(audio);
  gain.connect(audio.destination);
  run = { zero: null, now: null, next: null, turn: 0, count: 0, notes: [], seed: Math.floor(Math.random() * 1e6), takes_s: 1, gain };
  run.name = crypto.getRandomValues(new Uint32Array(4)).join();
  run.timer = setInterval(tick, 40);
  root.dataset.state = "running";
  explain("");
  tell(find(".live-where"), message("composing"));
  find(".live-roll").replaceChildren();
  find(".live-stop").focus({ preventScroll: true });
  // What is to be moved comes into sight; this panel stays so, at the foot of the window.
  document.querySelector("#plane .plane-map").scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  prepare();
}

// Ends the music; what was heard of it becomes a piece of the page, as if a link to it had been opened.
function stop(keep, words = "") {
  if (!run) return;
  const { now, next, gain, timer } = run;
  clearInterval(timer);
  if (next) next.source.stop();
  gain.gain.setTargetAtTime(0, audio.currentTime, FADE_S / 3);
  run = null;
  root.dataset.state = "idle";
  explain(words);
  if (keep && now) location.hash = `#create=${now.packed}`;
}

find(".live-start").addEventListener("click", start);
find(".live-stop").addEventListener("click", () => stop(true));
document.addEventListener("play", () => stop(false), true); // one music at a time
watch("value", follow);
