// The live part of the guide: run buttons, the live panel, and the status of each step as it is.
//
// It enhances pages that are whole without it. Copy buttons are always there; everything else comes
// only when `mdbook-lab serve` has answered. Text from commands and runs is only ever set as text.
(() => {
  "use strict";

  const PANEL_STATE = "lab-panel";
  const PAGE_STATE = "lab-page";
  const local = ["127.0.0.1", "localhost"].includes(location.hostname);
  // The print page holds every chapter at once, frozen.
  const frozen = location.pathname.endsWith("/print.html");

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const button = (className, text, action) => {
    const element = make("button", className, text);
    element.type = "button";
    element.addEventListener("click", action);
    return element;
  };
  // What is kept lasts as long as the tab: which hints are open, where the page was, what was closed.
  const recall = (key) => {
    try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; }
  };
  const remember = (key, value) => {
    try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* private window */ }
  };

  // ---- The session ----
  // Who may run things shows the server a token. It comes with the link that `make book` prints, in
  // the part of the address that browsers send to nobody; it is kept where only this origin, port
  // included, can read it; and tabs of this origin hand it on to each other.
  const session = {
    KEY: "lab-session",
    // What another tab takes to answer, at most.
    PATIENCE: 300,
    token: recall("lab-session"),
    refused: new Set(),
    tabs: local && !frozen ? new BroadcastChannel("lab-session") : null,

    headers() {
      return this.token === null ? {} : { authorization: `Bearer ${this.token}` };
    },

    keep(token) {
      this.token = token;
      remember(this.KEY, token);
    },

    // The server knows it no more: it is of an earlier start.
    forget(token) {
      this.refused.add(token);
      if (this.token === token) this.keep(null);
    },

    // Takes the ticket out of the address, at once, and trades it for the token. Gives the server's
    // words where it takes it no more.
    async enter() {
      const ticket = /^#ticket=(.*)$/.exec(location.hash)?.[1];
      if (ticket === undefined) return null;
      history.replaceState(history.state, "", location.pathname + location.search);
      try {
        const { token } = await (await post("/lab/enter", { ticket })).json();
        this.keep(token);
        this.tabs?.postMessage({ token });
        return null;
      } catch (error) {
        return error.message;
      }
    },

    // Asks the other tabs, where this one has none: one that was opened by hand, or in the background.
    ask() {
      return new Promise((resolve) => {
        this.answered = resolve;
        setTimeout(resolve, this.PATIENCE);
        this.tabs?.postMessage({ ask: true });
      });
    },

    // What another tab says: asks, or has a token. Whether it was one that this tab needed.
    hear({ ask, token }) {
      if (ask && this.token !== null) this.tabs.postMessage({ token: this.token });
      if (!token || token === this.token || this.refused.has(token)) return false;
      if (this.token !== null && connected) return false;
      this.keep(token);
      this.answered?.();
      return true;
    },
  };

  // ---- Blocks: copy and run ----
  const runs = [];
  let running = null;
  let connected = false;

  const words = (action) =>
    action.startsWith("example:") ? `example ${action.slice(8)}` : `make ${action}`;

  function copy(code, from) {
    const text = code.textContent.replace(/\n$/, "");
    const say = (word) => {
      from.textContent = word;
      setTimeout(() => { from.textContent = "Copy"; }, 2000);
    };
    const select = () => {
      getSelection().selectAllChildren(code);
      say("Selected: press Ctrl+C or ⌘C");
    };
    if (!navigator.clipboard) return select();
    navigator.clipboard.writeText(text).then(() => say("Copied"), select);
  }

  for (const block of document.querySelectorAll(".lab-command, .lab-example, .lab-prompt")) {
    const code = block.querySelector("pre code");
    if (!code || frozen) continue;
    const tools = make("div", "lab-tools");
    const action = block.dataset.labAction;
    if (action) {
      const run = button("lab-run", "Run", () => start(action));
      run.dataset.labAction = action;
      run.hidden = true;
      runs.push(run);
      tools.append(run);
    }
    const label = action ? `Copy ${words(action)}` : "Copy the prompt";
    const copier = button("lab-copy", "Copy", () => copy(code, copier));
    copier.setAttribute("aria-label", label);
    tools.append(copier);
    block.append(tools);
  }

  function showRuns() {
    for (const run of runs) {
      const action = run.dataset.labAction;
      const mine = running !== null && running.action === action;
      run.hidden = !connected;
      run.textContent = mine ? "Running…" : "Run";
      run.setAttribute("aria-label", mine ? `${words(action)} is running` : `Run ${words(action)}`);
      // Not `disabled`: that would throw the focus off the button that was just pressed.
      run.setAttribute("aria-disabled", String(running !== null));
    }
    panel.cancel.hidden = !connected || running === null;
  }

  async function post(path, body) {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...session.headers() },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error((await response.text()).trim() || response.statusText);
    return response;
  }

  function start(action) {
    if (running !== null) return panel.note("One command at a time: wait for it, or cancel it.");
    remember(PANEL_STATE, { closed: [], folded: false });
    panel.folded(false);
    post("/lab/run", { action }).catch((error) => panel.note(`Not started: ${error.message}`));
  }

  // ---- The live panel ----
  const FIGURES = [
    ["phase", "phase", (tick) => tick.phase],
    ["offered", "offered/s", (tick) => whole(tick.offered_per_s)],
    ["ok", "ok/s", (tick) => whole(tick.ok_per_s)],
    ["failed", "failed/s", (tick) => whole(tick.failed_per_s)],
    ["p95", "p95", (tick) => time(tick.p95_ms)],
    ["flight", "in flight", (tick) => whole(tick.in_flight)],
    ["replicas", "replicas", (tick) => whole(tick.replicas)],
  ];
  const whole = (number) => Math.round(number).toString();
  const time = (ms) => {
    if (ms === null) return "–";
    return ms < 1000 ? `${whole(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  };

  class Panel {
    constructor() {
      this.root = make("section", "lab-panel");
      this.root.setAttribute("aria-label", "Live run");
      this.root.hidden = true;
      const bar = make("div", "lab-panel-bar");
      this.fold = button("lab-panel-fold", "", () => this.folded(!this.body.hidden));
      this.title = make("span", "lab-panel-title");
      this.fold.append(this.title);
      this.cancel = button("lab-cancel", "Cancel", () => {
        post("/lab/cancel", {}).catch((error) => this.note(error.message));
      });
      this.cancel.hidden = true;
      this.close = button("lab-panel-close", "×", () => {
        remember(PANEL_STATE, { closed: [this.showing, this.run?.id], folded: false });
        this.root.hidden = true;
      });
      this.close.setAttribute("aria-label", "Close the live panel");
      bar.append(this.fold, this.cancel, this.close);

      // The one thing that is read aloud: numbers that change five times a second are not.
      this.said = make("p", "lab-panel-said");
      this.said.setAttribute("role", "status");
      this.said.setAttribute("aria-live", "polite");

      this.body = make("div", "lab-panel-body");
      const figures = make("dl", "lab-figures");
      this.figures = new Map(FIGURES.map(([key, label]) => {
        const pair = make("div", `lab-figure lab-figure-${key}`);
        const value = make("dd", "", "–");
        pair.append(make("dt", "", label), value);
        figures.append(pair);
        return [key, value];
      }));
      this.charts = [new Chart("p95", "lab-line-p95", time), new Chart("ok/s", "lab-line-ok", whole)];
      const charts = make("div", "lab-charts");
      charts.append(...this.charts.map((chart) => chart.root));
      this.live = make("div", "lab-live");
      this.live.append(figures, charts);
      this.links = make("p", "lab-panel-links");
      this.log = make("pre", "lab-log");
      this.log.tabIndex = 0;
      this.log.setAttribute("aria-label", "Output of the command");
      this.body.append(this.live, this.links, this.log);
      this.root.append(bar, this.said, this.body);
      document.body.append(this.root);
      this.showing = null;
      this.reset();
      this.folded(Boolean(recall(PANEL_STATE)?.folded), false);
    }

    reset() {
      this.run = null;
      this.ended = null;
      this.live.hidden = true;
      this.links.hidden = true;
      this.links.replaceChildren();
      this.log.hidden = true;
      this.log.replaceChildren();
      this.said.textContent = "";
      for (const chart of this.charts) chart.reset(0);
    }

    folded(fold, keep = true) {
      this.body.hidden = fold;
      this.fold.setAttribute("aria-expanded", String(!fold));
      if (keep) remember(PANEL_STATE, { ...recall(PANEL_STATE), folded: fold });
    }

    // Shows the panel for `what`, unless the reader has closed it for that.
    show(what) {
      this.showing = what;
      this.root.hidden = Boolean(recall(PANEL_STATE)?.closed?.includes(what));
    }

    say(text) {
      if (this.said.textContent !== text) this.said.textContent = text;
    }

    note(text) {
      this.root.hidden = false;
      if (!this.title.textContent) this.title.textContent = "Guide";
      this.say(text);
    }

    hello({ running, last }) {
      const command = running ?? last;
      this.reset();
      if (command === null) {
        this.root.hidden = true;
        return;
      }
      this.title.textContent = words(command.action);
      this.show(`${command.id} ${command.action}`);
      if (running) this.say("Started.");
      else this.finished(last);
    }

    finished({ action, code }) {
      this.ended = code;
      if (this.run?.outcome) return;
      if (code === 0) this.say(`${words(action)} is done.`);
      else if (code === null) this.say(`${words(action)} was stopped.`);
      else this.say(`${words(action)} ended with exit code ${code}; its output says why.`);
    }

    output(text, stream) {
      const stays = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight > 24;
      this.log.hidden = false;
      this.log.append(make("span", `lab-${stream}`, `${text}\n`));
      while (this.log.childElementCount > 1000) this.log.firstElementChild.remove();
      if (!stays) this.log.scrollTop = this.log.scrollHeight;
    }

    line({ run_id, scenario, line }) {
      if (line.line === "started" || this.run?.id !== run_id) {
        this.run = { id: run_id, scenario, phase: null, outcome: null };
        const seconds = line.planned_s ?? 0;
        for (const chart of this.charts) chart.reset(seconds);
        const code = { mine: ", your code", solved: ", the reference" }[line.code] ?? "";
        this.title.textContent = `${scenario}${code}`;
        if (running === null) this.show(run_id);
        this.links.hidden = true;
        this.live.hidden = false;
        this.say(`${scenario} runs${seconds ? ` for ${whole(seconds)} seconds` : ""}.`);
      }
      if (line.line === "tick") this.tick(line);
      else if (line.line === "event") this.say(line.text);
      else if (line.line === "finished") this.verdict(line);
    }

    tick(tick) {
      for (const [key, , show] of FIGURES) this.figures.get(key).textContent = show(tick);
      this.charts[0].add(tick.t_s, tick.p95_ms);
      this.charts[1].add(tick.t_s, tick.ok_per_s);
      if (this.run.phase === tick.phase) return;
      this.run.phase = tick.phase;
      this.say(`Phase: ${tick.phase}.`);
    }

    verdict({ outcome, score, validity }) {
      this.run.outcome = outcome;
      const points = score === null || score === undefined ? "" : `, ${score} of 100`;
      const doubt = validity === "suspect" && points !== "" ? " SUSPECT" : "";
      this.say(`${this.run.scenario}: ${outcome.toUpperCase()}${doubt}${points}.`);
    }

    over({ run_id, scenario }) {
      if (this.run?.id !== run_id) return;
      if (!this.run.outcome) this.say(`${scenario} is over.`);
      const folder = `/reports/${encodeURIComponent(scenario)}/${encodeURIComponent(run_id)}/`;
      const link = (text, href) => Object.assign(make("a", "", text), { href });
      this.links.replaceChildren(link("Report of this run", `${folder}report.html`), " · ",
        link("All runs", "/reports/"));
      this.links.hidden = false;
    }
  }

  // A small line over the time of the run.
  class Chart {
    static SVG = "http://www.w3.org/2000/svg";

    constructor(name, className, format) {
      this.name = name;
      this.format = format;
      this.root = make("figure", "lab-chart");
      this.svg = document.createElementNS(Chart.SVG, "svg");
      this.svg.setAttribute("viewBox", "0 0 300 60");
      this.svg.setAttribute("preserveAspectRatio", "none");
      this.svg.setAttribute("role", "img");
      this.line = document.createElementNS(Chart.SVG, "path");
      this.line.setAttribute("class", `lab-line ${className}`);
      this.svg.append(this.line);
      this.caption = make("figcaption");
      this.root.append(this.svg, this.caption);
      this.reset(0);
    }

    reset(seconds) {
      this.seconds = seconds;
      this.points = [];
      this.draw();
    }

    add(seconds, value) {
      this.points.push([seconds, value]);
      if (this.drawing) return;
      this.drawing = true;
      setTimeout(() => {
        this.drawing = false;
        this.draw();
      }, 100);
    }

    draw() {
      const values = this.points.map(([, value]) => value ?? 0);
      const top = Math.max(...values, 0);
      const last = this.points.at(-1)?.[0] ?? 0;
      const width = Math.max(this.seconds, last, 1);
      let pen = "M";
      this.line.setAttribute("d", this.points.map(([at, value]) => {
        // Nothing was answered: a gap, not a zero.
        if (value === null) {
          pen = "M";
          return "";
        }
        const point = `${pen}${(300 * at / width).toFixed(1)} ${(58 - 55 * value / (top || 1)).toFixed(1)}`;
        pen = "L";
        return point;
      }).join(""));
      const text = `${this.name}, up to ${this.format(top)}`;
      this.caption.textContent = text;
      this.svg.setAttribute("aria-label", `${text}, over ${whole(width)} seconds`);
    }
  }

  // ---- What the server tells ----
  const handlers = {
    hello(data) {
      connected = true;
      told = null;
      unwelcome = null;
      running = data.running;
      panel.hello(data);
      showRuns();
    },
    status: ({ scenario, html }) => fill(`.lab-status[data-lab-scenario="${CSS.escape(scenario)}"]`, html),
    progress: ({ html }) => fill(".lab-progress", html),
    line: (data) => panel.line(data),
    over: (data) => panel.over(data),
    output: ({ text, stream }) => panel.output(text, stream),
    ended(data) {
      running = null;
      panel.finished(data);
      showRuns();
    },
    reload({ book: now, pages, error }) {
      showBuildError(error);
      const path = decodeURIComponent(location.pathname).replace(/^\/|\/$/g, "") || "index.html";
      // No pages: where things stand. Another book then means a change that this page has missed.
      const missed = pages.length === 0 && book !== null && now !== null && now !== book;
      book = now ?? book;
      if (missed || pages.includes(path)) reload();
    },
  };

  let book = null;
  const filled = new WeakMap();

  // From our own renderer, which escapes; the policy of the page lets no script in it run.
  function fill(selector, html) {
    if (frozen) return;
    for (const element of document.querySelectorAll(selector)) {
      if (filled.get(element) === html) continue;
      const focus = [...element.querySelectorAll("a, button, summary")].indexOf(document.activeElement);
      element.innerHTML = html;
      filled.set(element, html);
      if (focus >= 0) element.querySelectorAll("a, button, summary")[focus]?.focus();
    }
  }

  let buildError = null;
  function showBuildError(text) {
    buildError?.remove();
    buildError = null;
    if (text === null) return;
    buildError = make("section", "lab-build-error");
    buildError.setAttribute("role", "alert");
    buildError.append(make("strong", "", "The book could not be built; this is the page before."),
      make("pre", "", text));
    document.querySelector("main")?.prepend(buildError);
  }

  const scroller = document.scrollingElement ?? document.documentElement;
  const hints = () => [...document.querySelectorAll("main details")];

  function reload() {
    remember(PAGE_STATE, {
      path: location.pathname,
      top: scroller.scrollTop,
      open: hints().map((hint) => hint.open),
    });
    location.reload();
  }

  function restore() {
    const state = recall(PAGE_STATE);
    remember(PAGE_STATE, null);
    if (state?.path !== location.pathname) return;
    hints().forEach((hint, index) => { if (state.open[index]) hint.open = true; });
    scroller.scrollTop = state.top;
  }

  // ---- The connection ----
  let connection = null;
  let failures = 0;
  let retry = 0;
  let told = null;
  let unwelcome = null;

  // Not an EventSource: that one sends no header, and can't tell "not for you" from "not there".
  async function follow() {
    clearTimeout(retry);
    connection?.abort();
    const mine = new AbortController();
    connection = mine;
    // The page before may have got it while this one was loading.
    session.token ??= recall(session.KEY);
    if (session.token === null) await session.ask();
    if (mine.signal.aborted) return;
    const shown = session.token;
    const init = { cache: "no-store", signal: mine.signal, headers: session.headers() };
    try {
      const response = await fetch("/lab/events", init);
      if (response.status === 404) return;
      if (response.status === 403 && shown !== null) {
        session.forget(shown);
        return follow();
      }
      if (response.status === 403) return lost(unwelcome ?? (await response.text()).trim(), 30_000);
      if (!response.ok) throw new Error(response.statusText);
      await read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch {
      /* gone; try again */
    }
    if (mine.signal.aborted) return;
    failures += 1;
    // A hiccup is not worth a word.
    const wait = Math.min(250 * 2 ** failures, 8000);
    if (failures < 3) retry = setTimeout(follow, wait);
    else lost("The guide's server has stopped: start it again with `make book`.", wait);
  }

  async function read(reader) {
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      failures = 0;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      events.forEach(handle);
    }
  }

  function handle(event) {
    let name = "";
    const data = [];
    for (const line of event.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data.push(line.slice(6));
    }
    if (Object.hasOwn(handlers, name)) handlers[name](JSON.parse(data.join("\n")));
  }

  function lost(text, again) {
    connected = false;
    running = null;
    showRuns();
    // Said once: who has closed it has read it.
    if (runs.length > 0 && told !== text) panel.note(text);
    told = text;
    retry = setTimeout(follow, again);
  }

  // ---- Keys ----
  // mdBook turns pages with the arrow keys. On a page with controls that takes the keys away from
  // them and from screen readers.
  const hasControls = document.querySelector(".lab-command, .lab-example, .lab-prompt, main details");
  window.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const inControl = event.target instanceof Element
      && event.target.closest("a, button, input, select, textarea, summary, [tabindex], [contenteditable]");
    if (hasControls || inControl) event.stopPropagation();
  }, true);

  // ---- What mdBook leaves out of a keyboard's reach ----
  // A box that scrolls must be reachable to be scrolled.
  function reachBoxes() {
    for (const box of document.querySelectorAll("main pre code, main .table-wrapper")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  // The button for the chapters is a bare label.
  function reachChapters() {
    const label = document.querySelector("label#mdbook-sidebar-toggle");
    if (!label) return;
    label.setAttribute("role", "button");
    label.tabIndex = 0;
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      label.click();
    });
  }

  // ---- Start ----
  const main = document.querySelector("main");
  if (main) new ResizeObserver(reachBoxes).observe(main);
  reachChapters();
  const panel = new Panel();
  restore();

  // What the reader may never come to see, as a browser that fetches ahead knows, uses no link up.
  async function begin() {
    if (document.prerendering) {
      await new Promise((resolve) => document.addEventListener("prerenderingchange", resolve, { once: true }));
    }
    unwelcome = await session.enter();
    if (!document.hidden) follow();
    // Now, while the tab that this one was opened from is there.
    else if (session.token === null) session.ask();
  }

  if (local && !frozen) {
    begin();
    session.tabs.addEventListener("message", ({ data }) => {
      if (session.hear(data) && !document.hidden) follow();
    });
    // The link, put into the address bar of a page that is open already.
    window.addEventListener("hashchange", () => { if (location.hash.startsWith("#ticket=")) begin(); });
    // A browser has six connections for one server: a page in the background gives its own back.
    document.addEventListener("visibilitychange", () => {
      clearTimeout(retry);
      if (document.hidden) connection?.abort();
      else follow();
    });
    window.addEventListener("pagehide", () => connection?.abort());
    window.addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
  }
})();
