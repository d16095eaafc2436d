// The rules of the listening test: the order of its trials, what its answers add up to, and where they are kept.

const KEPT = "eimg-studio-listening";

const pairCount = (pieces) => (pieces * (pieces - 1)) / 2;

// Small and good enough for an order: mulberry32, public domain, by Tommy Ettinger.
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// Pairs of pieces in random order and on random sides; in a second round each pair comes with its sides changed.
function trialOrder(pieces, wanted, seed) {
  const random = randomFrom(seed), pairs = [];
  for (let a = 0; a < pieces; a++) for (let b = a + 1; b < pieces; b++) pairs.push(random() < 0.5 ? [a, b] : [b, a]);
  const shuffled = (items) => {
    for (let n = items.length - 1; n > 0; n--) {
      const other = Math.floor(random() * (n + 1));
      [items[n], items[other]] = [items[other], items[n]];
    }
    return items;
  };
  return [...shuffled([...pairs]), ...shuffled(pairs.map(([a, b]) => [b, a]))].slice(0, wanted);
}

// Wilson's interval of a share of `wins` in `n`, 95 %: Wilson (1927), "Probable inference".
function wilson(wins, n, z = 1.959964) {
  if (!n) return [0, 1];
  const share = wins / n, middle = share + (z * z) / (2 * n);
  const reach = z * Math.sqrt((share * (1 - share) + (z * z) / (4 * n)) / n), whole = 1 + (z * z) / n;
  return [Math.max(0, (middle - reach) / whole), Math.min(1, (middle + reach) / whole)];
}

// One row for each composer, most wins first.
function tally(answers, ask) {
  const rows = new Map();
  const row = (name) => rows.get(name) || rows.set(name, { name, wins: 0, losses: 0, ties: 0 }).get(name);
  for (const { A, B, [ask]: choice } of answers) {
    if (!choice) continue;
    const left = row(A), right = row(B);
    if (choice === "none") (left.ties += 1), (right.ties += 1);
    else for (const [side, one] of [["A", left], ["B", right]]) one[side === choice ? "wins" : "losses"] += 1;
  }
  return [...rows.values()].map((one) => {
    const decided = one.wins + one.losses, [low, high] = wilson(one.wins, decided);
    return { ...one, share: decided ? one.wins / decided : null, low, high };
  }).sort((one, other) => (other.share ?? -1) - (one.share ?? -1) || other.wins - one.wins);
}

// Answers as CSV; a name that a spreadsheet would take for a formula is made harmless.
function answersCsv(answers) {
  const columns = ["test", "date", "photo", "seed", "order_seed", "trial", "A", "B", "fits", "better", "heard_A_s", "heard_B_s"];
  const cell = (text) => `"${String(text ?? "").replace(/^[=+\-@\t]/, "'$&").replaceAll('"', '""')}"`;
  return [columns.join(","), ...answers.map((one) => columns.map((name) => cell(one[name])).join(","))].join("\r\n") + "\r\n";
}

function keptAnswers() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) || "[]");
    return Array.isArray(kept) ? kept.filter((one) => one && typeof one.A === "string" && typeof one.B === "string") : [];
  } catch {
    return []; // a browser that keeps nothing, or something else under our name
  }
}

function keepAnswers(answers) {
  try {
    if (answers.length) localStorage.setItem(KEPT, JSON.stringify([...keptAnswers(), ...answers]));
  } catch {
    return; // the result is on the page all the same, and can be downloaded
  }
}

function eraseAnswers() {
  try {
    localStorage.removeItem(KEPT);
  } catch {
    return; // nothing was kept
  }
}
