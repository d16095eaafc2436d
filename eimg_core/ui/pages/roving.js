// Rows of buttons of which one is chosen are one stop for the Tab key, and the arrow keys move within them, so that few
// presses lead from the top of the page to Compose (the pattern "roving tabindex" of the ARIA practices). The page runs this
// once; a row that is built later joins in.
() => {
  const ROWS = {
    "#pages [role=tablist]": "[role=tab]", "#examples .gallery": "button", "#photo .source-selection": "button",
    ".plane-moods": "button",
  };
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const shown = (row, inner) => [...row.querySelectorAll(inner)].filter((item) => item.offsetParent);
  const stopAt = (items, chosen) => items.forEach((item) => (item.tabIndex = item === chosen ? 0 : -1));

  // The row that an element stands in, and which of its items it is.
  function rowOf(node) {
    for (const [outer, inner] of Object.entries(ROWS)) {
      const row = node.closest && node.closest(outer), item = row && node.closest(inner);
      if (item) return { items: shown(row, inner), item };
    }
    return null;
  }
  function settle() {
    for (const [outer, inner] of Object.entries(ROWS))
      for (const row of document.querySelectorAll(outer)) {
        const items = shown(row, inner), is = (test) => items.find(test);
        const chosen = is((item) => item === document.activeElement) || is((item) => item.ariaSelected === "true" || item.ariaPressed === "true");
        stopAt(items, chosen || is((item) => item.hasAttribute("tabindex") && item.tabIndex === 0) || items[0]);
      }
  }

  document.addEventListener("focusin", ({ target }) => {
    const row = rowOf(target);
    if (row) stopAt(row.items, row.item);
  });
  document.addEventListener("keydown", (event) => {
    const row = event.ctrlKey || event.metaKey || event.altKey ? null : rowOf(event.target);
    if (!row) return;
    const { items, item } = row, step = STEPS[event.key], last = items.length - 1;
    const next = step ? items[(items.indexOf(item) + step + items.length) % items.length] : { Home: items[0], End: items[last] }[event.key];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  const watched = new MutationObserver(() => requestAnimationFrame(settle));
  for (const id of ["pages", "inputs"]) watched.observe(document.getElementById(id), { childList: true, subtree: true });
  settle();
}
