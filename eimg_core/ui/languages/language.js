// The page in the visitor's language. What the page says is a message: an English template with named holes, which is its
// key, and the values that stand in them (see eimg_core/messages.py). A catalogue (languages/*.json, handed out by Gradio
// with its settings) leads from each template to its translation; without one, the page says the template itself.
//
// Elements remember their messages, so that all of them follow a change of language. In a template, an element that is
// marked with data-say has its own English text as its key, and data-say-title, say, marks an attribute in the same way.
// Gradio chooses the language and speaks it in its own parts.

window.words = (() => {
  const NAMES = ["", "html", "aria-label", "aria-valuetext", "title", "placeholder", "alt"]; // "": the text itself
  const KEPT = "eimg-studio-language", REMEMBERED = 500;

  const catalogues = () => (window.gradio_config && window.gradio_config.i18n_translations) || {};
  const told = new WeakMap(); // element → { name: message }
  const learnt = new Map(); // English sentence of the server → its message
  let spoken = "en";
  let catalogue = {};

  // ---- messages --------------------------------------------------------------------------------------------------

  const message = (key, values = {}) => ({ key, values });
  // Several messages or texts one after another, with another between them.
  const joined = (parts, separator) => ({ parts: parts.filter((part) => part !== ""), separator });

  // In words: a message, a list of them, what was joined, or a text or number that is the same in every language.
  function say(part) {
    if (part === null || part === undefined) return "";
    if (Array.isArray(part)) return say(joined(part, message(", ")));
    if (part.parts) return part.parts.map(say).join(say(part.separator));
    if (part.key === undefined) return String(part);
    const template = Object.hasOwn(catalogue, part.key) ? catalogue[part.key] : part.key;
    return template.replace(/\{(\w+)\}/g, (hole, name) => (name in part.values ? say(part.values[name]) : hole));
  }

  // Values of the server hold English sentences, as programs read them, and `messages`: sentence → key and values.
  function learn(value) {
    if (learnt.size > REMEMBERED) learnt.clear();
    for (const [sentence, one] of Object.entries((value && value.messages) || {})) learnt.set(sentence, one);
  }
  const said = (sentence) => learnt.get(sentence) || (sentence ? message(sentence) : "");

  // ---- elements --------------------------------------------------------------------------------------------------

  const marker = (name) => (name ? `data-say-${name}` : "data-say");

  function write(element, name, words) {
    if (name === "html") element.innerHTML = words; // markup of a catalogue or of our templates, never of a visitor
    else if (name) element.setAttribute(name, words);
    else if (element.textContent !== words) element.textContent = words;
  }

  // Puts a message into the text of an element, or into an attribute of it, now and after each change of language.
  function tell(element, part, name = "") {
    told.set(element, { ...told.get(element), [name]: part });
    if (!element.hasAttribute(marker(name))) element.setAttribute(marker(name), "");
    write(element, name, say(part));
  }

  function ownText(element, name) {
    const text = name === "html" ? element.innerHTML : name ? element.getAttribute(name) : element.textContent;
    return text.trim().replace(/\s+/g, " ");
  }

  // Everything that is marked below `root`, in the language of now.
  function fill(root) {
    for (const name of NAMES)
      for (const element of root.querySelectorAll(`[${marker(name)}]`)) {
        const known = told.get(element), given = element.getAttribute(marker(name));
        if (known && name in known) write(element, name, say(known[name]));
        else tell(element, given ? JSON.parse(given) : message(ownText(element, name)), name);
      }
  }

  // ---- Gradio's own parts ----------------------------------------------------------------------------------------

  // Gradio translates what it shows, but has these names in English in every language, or forever in the first one.
  const GRADIO = [
    message("Capture from camera"), message("Close"), message("Drop an image file here to upload"), message("File upload"),
    message("Gradio footer navigation"), message("More tabs"), message("Paste from clipboard"), message("Remove Image"),
    message("Upload file"),
  ];
  const WARNINGS = [message("Error"), message("Warning")];
  const inAllLanguages = (key) => [key, ...Object.values(catalogues()).map((one) => one[key]).filter(Boolean)];

  function adopt() {
    for (const name of ["aria-label", "title"])
      for (const one of GRADIO) {
        const named = inAllLanguages(one.key).map((words) => `[${name}="${words}"]:not([${marker(name)}])`);
        for (const element of document.querySelectorAll(named)) tell(element, one, name);
      }
    for (const { firstChild } of document.querySelectorAll(".toast-title-row > span")) {
      const found = WARNINGS.find(({ key }) => key === firstChild.data.trim());
      if (found) firstChild.data = say(found); // beside it stands how many there are
    }
    nameTabs();
    for (const shown of document.querySelectorAll("[data-testid=block-info]")) {
      const block = shown.closest(".block"), label = shown.textContent.trim();
      for (const input of block.querySelectorAll("input[type=number]")) tell(input, message("number input for {label}", { label }), "aria-label");
      for (const input of block.querySelectorAll("input[type=range]")) tell(input, message("range slider for {label}", { label }), "aria-label");
    }
  }
  // It names tabs as well, but once, in the language of then. The id of a tab is its title in small letters.
  function nameTabs() {
    const tabs = window.gradio_config.components.filter(({ type }) => type === "tabitem");
    const titles = tabs.map(({ props: { id } }) => id[0].toUpperCase() + id.slice(1));
    for (const button of document.querySelectorAll("#pages .tab-wrapper button:not([data-say])")) {
      const title = titles.find((one) => inAllLanguages(one).includes(button.textContent.trim()));
      if (title) tell(button, message(title));
    }
  }

  // They come and go by themselves (a warning, the camera, the menu of a narrow window), and nothing but this tells.
  const arrivals = new MutationObserver((records) => {
    if (records.some(({ addedNodes }) => [...addedNodes].some((node) => node.nodeType === Node.ELEMENT_NODE))) adopt();
  });

  // ---- which language --------------------------------------------------------------------------------------------

  const choices = () => ["en", ...Object.keys(catalogues()).filter((code) => code !== "en")];
  const base = (code) => code.split("-")[0].toLowerCase();
  const nearest = (code) => choices().find((one) => one === code) || choices().find((one) => base(one) === base(code)) || "en";

  function follow() {
    const code = nearest(document.documentElement.lang || "en");
    const picker = document.querySelector("#language");
    if (picker) picker.value = code;
    document.cookie = `${KEPT}=${code}; path=/; SameSite=Lax`; // for the warnings of Gradio, which the server words
    if (code === spoken) return;
    spoken = code;
    catalogue = catalogues()[code] || {};
    fill(document);
    requestAnimationFrame(adopt); // by then Gradio has changed its labels
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
    fill(document);
    adopt();
    arrivals.observe(document.body, { childList: true, subtree: true });
  });
  arrival.observe(document.documentElement, { childList: true, subtree: true });

  return { message, joined, say, learn, said, tell, fill };
})();
