// The page in the visitor's language. Gradio chooses the language and speaks it in its own parts; this speaks it in ours,
// whose texts are English in the source. It runs before the page is built, and changes nothing while that is English.
//
// A catalogue (languages/*.json, handed out by Gradio with its settings) leads from an English text to its translation.
// {1}, {2} … in both stand for what differs within a sentence, {#1} for a number; what stands there is translated as well
// where it can be. A text that is not in the catalogue is taken apart into sentences, clauses and items. What has
// translate="no" stays as it is.

(() => {
  const NAMES = ["aria-label", "aria-valuetext", "title", "placeholder", "alt"];
  const LEAVE = "[translate=no], script, style, code, textarea, .player-sheet svg *";
  const INLINE = "strong, em, b, i, code, cite, small, sub, sup, br, a";
  const HOLE = /(\{#?\d\})/, NUMBER = "([\\d.,:−–-]+)", WORDS = "((?:(?![.!?] | · ).)+?)";
  const CUTS = [/(?<=[.!?])( )/, /(; )/, /( · )/, /(: )/, /(, )/];
  const JOINTS = { " ": "", "; ": "；", " · ": " · ", ": ": "：", ", ": "，" };
  const KEPT = "eimg-studio-language", REMEMBERED = 2000;

  const catalogues = () => (window.gradio_config && window.gradio_config.i18n_translations) || {};
  const changed = new WeakMap(); // node or element → { name or "" : { from, to } }
  let exact = new Map(), patterns = [], rich = { exact: new Map(), patterns: [] };
  let known = new Map(); // what was asked for before
  let spoken = ""; // the catalogue in use; "" is English

  // ---- texts -----------------------------------------------------------------------------------------------------

  function patternOf([from, to]) {
    const order = [];
    const source = from.split(HOLE).map((part) => {
      if (!HOLE.test(part)) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      order.push(part.replace("#", ""));
      return part[1] === "#" ? NUMBER : WORDS;
    }).join("");
    return { form: new RegExp(`^${source}$`), order, to, weight: from.split(HOLE).filter((_, n) => n % 2 === 0).join("").length };
  }

  function learn(catalogue) {
    const entries = Object.entries(catalogue), open = ([from]) => HOLE.test(from), tagged = ([from]) => /<\w/.test(from);
    const heaviest = (one, other) => other.weight - one.weight;
    const sorted = (some) => ({
      exact: new Map(some.filter((entry) => !open(entry))),
      patterns: some.filter(open).map(patternOf).sort(heaviest), // the most particular first
    });
    ({ exact, patterns } = sorted(entries.filter((entry) => !tagged(entry))));
    rich = sorted(entries.filter(tagged));
    known = new Map();
  }

  function fill({ form, order, to }, text) {
    const found = form.exec(text);
    return found && order.reduce((said, hole, n) => said.replace(hole, () => find(found[n + 1]) ?? found[n + 1]), to);
  }

  function find(text) {
    if (!/[A-Za-z]/.test(text)) return null;
    if (exact.has(text)) return exact.get(text);
    for (const pattern of patterns) {
      const said = fill(pattern, text);
      if (said) return said;
    }
    for (const cut of CUTS) {
      const parts = text.split(cut);
      if (parts.length < 2) continue;
      const said = parts.map((part, n) => (n % 2 ? null : find(part))); // every second part is a joint
      if (said.every((one) => one === null)) continue;
      return parts.map((part, n) => said[n] ?? (n % 2 && said[n - 1] ? JOINTS[part] : part)).join("");
    }
    return null;
  }

  function translated(text) {
    const core = text.trim().replace(/\s+/g, " ");
    if (!known.has(core)) {
      if (known.size > REMEMBERED) known.clear();
      known.set(core, find(core));
    }
    const said = known.get(core);
    return said === null ? null : text.match(/^\s*/)[0] + said + text.match(/\s*$/)[0];
  }

  function translatedHtml(html) {
    const core = html.trim().replace(/\s+/g, " ");
    if (rich.exact.has(core)) return rich.exact.get(core);
    for (const pattern of rich.patterns) {
      const said = fill(pattern, core);
      if (said) return said;
    }
    return null;
  }

  // ---- the page --------------------------------------------------------------------------------------------------

  function put(node, name, from, write, lookup) {
    const seen = changed.get(node) || {};
    if (seen[name] && seen[name].to === from) return; // our own words
    const to = lookup(from);
    if (to === null || to === from) return;
    changed.set(node, { ...seen, [name]: { from, to } });
    write(to);
  }

  const left = (element) => !element || element.closest(LEAVE);
  const text = (node) => left(node.parentElement) || put(node, "", node.data, (to) => (node.data = to), translated);
  const attribute = (element, name) =>
    element.hasAttribute(name) && !left(element) &&
    put(element, name, element.getAttribute(name), (to) => element.setAttribute(name, to), translated);
  const html = (element) =>
    element.firstElementChild && rich.exact.size && !left(element) && [...element.querySelectorAll("*")].every((one) => one.matches(INLINE)) &&
    put(element, "<>", element.innerHTML, (to) => {
      element.innerHTML = to; // from our catalogue, around what was on the page before
      changed.get(element)["<>"].to = element.innerHTML;
    }, translatedHtml);

  function under(root, seeElement, seeText) {
    if (root.nodeType === Node.TEXT_NODE) return seeText(root);
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    for (const element of [root, ...root.querySelectorAll("*")]) seeElement(element);
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), nodes = [];
    while (walk.nextNode()) nodes.push(walk.currentNode);
    nodes.forEach(seeText);
  }

  const speak = (root) => under(root, (element) => (html(element), NAMES.forEach((name) => attribute(element, name))), text);

  // Back to English. Some of Gradio's texts were never English on this page, and stay as they are by themselves.
  function unspeak(root) {
    const english = new Map([...exact].reverse().map(([from, to]) => [to, from])); // of two, the first in the catalogue
    const back = (node, name, now, write) => {
      const { [name]: was, ...rest } = changed.get(node) || {};
      if (was) changed.set(node, rest);
      if (was && was.to === now) write(was.from);
      else if (now && name !== "<>" && english.has(now.trim())) write(now.replace(now.trim(), () => english.get(now.trim())));
    };
    under(root, (element) => {
      back(element, "<>", element.innerHTML, (from) => (element.innerHTML = from));
      NAMES.forEach((name) => back(element, name, element.getAttribute(name), (from) => element.setAttribute(name, from)));
    }, (node) => back(node, "", node.data, (from) => (node.data = from)));
  }

  const LOOK = { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: NAMES };
  const watcher = new MutationObserver((records) => {
    for (const { type, target, attributeName, addedNodes } of records) {
      if (type === "attributes") attribute(target, attributeName);
      else if (type === "characterData") text(target);
      else {
        html(target);
        for (const node of addedNodes) if (node.isConnected) speak(node);
      }
    }
  });

  // ---- which language --------------------------------------------------------------------------------------------

  const choices = () => ["en", ...Object.keys(catalogues()).filter((code) => code !== "en")];
  const base = (code) => code.split("-")[0].toLowerCase();
  const nearest = (code) => choices().find((one) => one === code) || choices().find((one) => base(one) === base(code)) || "en";

  function follow() {
    const code = nearest(document.documentElement.lang || "en"), next = code === "en" ? "" : code;
    const picker = document.querySelector("#language");
    if (picker) picker.value = code;
    if (next === spoken) return;
    watcher.disconnect();
    if (spoken) unspeak(document.body);
    spoken = next;
    learn(next ? catalogues()[next] : {});
    if (next) {
      speak(document.body);
      watcher.observe(document.body, LOOK);
    }
  }

  // Gradio's own way to change the language belongs to its settings, which this page does not show; the module that does
  // it is on the page already.
  async function change(code) {
    const addresses = [...document.querySelectorAll("link[rel=modulepreload]"), ...performance.getEntriesByType("resource")];
    const core = addresses.map((one) => one.href || one.name).find((name) => /\/core-[\w-]+\.js$/.test(name));
    const gradio = core ? await import(core).catch(() => ({})) : {};
    if (gradio.changeLocale) await gradio.changeLocale(code);
    else document.documentElement.lang = code;
  }

  const kept = () => {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return null; // a browser that keeps nothing
    }
  };
  document.addEventListener("change", ({ target }) => {
    if (target.id !== "language") return;
    try {
      localStorage.setItem(KEPT, target.value);
    } catch {
      // it holds until the page is closed
    }
    change(target.value);
  });

  new MutationObserver(follow).observe(document.documentElement, { attributeFilter: ["lang"] });
  // The page is there once its picker is; by then Gradio has chosen a language, and a visitor may have chosen another.
  const arrival = new MutationObserver(() => {
    if (!document.querySelector("#language")) return;
    arrival.disconnect();
    const wish = nearest(kept() || navigator.language || "en"); // Gradio has no relative for every language
    if (wish !== nearest(document.documentElement.lang)) change(wish);
    follow();
  });
  arrival.observe(document.documentElement, { childList: true, subtree: true });
  follow();

  // For scripts that look for a text of ours on the page.
  window.eimgSay = (words) => (spoken && translated(words)) || words;
})();
