// Ways through the guide: how far the steps are, in the sidebar, and the one next thing to do; moments in the reader's time.
//
// What runs say comes with the page or from the guide's server, and is remembered for pages that say nothing of it: a book
// that is read as files, a page without a session. What was remembered is only ever set as text.
(() => {
  "use strict";

  // The words of the states, as `driver/record/src/progress.rs` has them: their classes are `lab-pass` and so on.
  const STATES = ["pass", "fail", "new"];
  const book = new URL(typeof path_to_root === "string" && path_to_root ? path_to_root : "./", location.href);
  const KEY = `lab-steps ${book.pathname}`;

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const recall = () => {
    try { return JSON.parse(localStorage.getItem(KEY)); } catch { return null; }
  };
  const remember = (progress) => {
    try { localStorage.setItem(KEY, JSON.stringify(progress)); } catch { /* private window */ }
  };

  // A page of this book, relative to it; null for any other address.
  function page(link) {
    const url = new URL(link.getAttribute("href") ?? "", location.href);
    return url.href.startsWith(book.href) ? decodeURI(url.pathname.slice(book.pathname.length)) : null;
  }

  // What a block of progress says, as data.
  function read(block) {
    const steps = [...block.querySelectorAll(".lab-step")].map((step) => {
      const link = step.querySelector("a");
      const state = STATES.find((state) => step.classList.contains(`lab-${state}`));
      return { page: link && page(link), state, words: step.dataset.labWords ?? "" };
    });
    return { steps, next: readNext(block) };
  }

  function readNext(block) {
    const next = block.querySelector(".lab-next");
    const link = next?.querySelector("a");
    return next && { page: link ? page(link) : null, title: link?.textContent ?? "", text: next.textContent };
  }

  // Marks the chapters in the sidebar. A sign for each state, and its words for who can't see or tell it.
  function mark({ steps, next }) {
    for (const old of document.querySelectorAll(".lab-mark, .lab-sidebar-next")) old.remove();
    const links = [...document.querySelectorAll(".sidebar .chapter a[href]")].filter((link) => !link.hash);
    for (const { page: at, state, words } of steps ?? []) {
      if (typeof at !== "string" || !STATES.includes(state)) continue;
      for (const link of links.filter((link) => page(link) === at)) {
        const sign = make("span", `lab-mark lab-mark-${state}`);
        sign.title = String(words);
        sign.append(make("span", "lab-mark-words", `, ${words}`));
        link.append(sign);
      }
    }
    if (typeof next?.text === "string") tell(next);
  }

  function tell(next) {
    const line = make("p", "lab-sidebar-next");
    const known = typeof next.page === "string" && typeof next.title === "string" && next.title && next.text.includes(next.title);
    const [before, after] = known ? next.text.split(next.title, 2) : [next.text, ""];
    line.append(before);
    if (known) {
      const link = make("a", "", next.title);
      const to = new URL(next.page, book);
      if (to.href.startsWith(book.href)) link.href = to.href;
      line.append(link, after);
    }
    document.querySelector(".sidebar .chapter")?.before(line);
  }

  function show(progress) {
    remember(progress);
    mark(progress);
  }

  // Moments that the server wrote in UTC.
  const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  function localize() {
    for (const time of document.querySelectorAll("main time[datetime]:not([title])")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.textContent;
      time.textContent = clock.format(at);
    }
  }
  const told = new MutationObserver(localize);
  for (const block of document.querySelectorAll(".lab-status, .lab-progress")) told.observe(block, { childList: true });
  localize();

  const here = document.querySelector(".lab-progress .lab-step") && document.querySelector(".lab-progress");
  if (here) show(read(here));
  else {
    const known = recall() ?? {};
    // What this page says of it is newer.
    mark({ ...known, next: readNext(document.querySelector("main") ?? document) ?? known.next });
  }
  document.addEventListener("lab-progress", ({ detail: { html } }) => {
    const block = make("template");
    // From our own renderer, which escapes.
    block.innerHTML = html;
    show(read(block.content));
    const next = block.content.querySelector(".lab-next");
    for (const slot of document.querySelectorAll("main .lab-next-slot")) slot.replaceChildren(...(next ? [next.cloneNode(true)] : []));
  });
})();
