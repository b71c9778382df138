// The board of a room. It asks its server every second what is new, and draws the rows that have room on the screen, so that
// a drawing costs the same however many there are. What others wrote is text, wherever it is shown.
(() => {
  "use strict";

  const EVERY = 1000;
  // A screen of rows, then the next one.
  const TURN = 8000;
  const NARROW = 700;
  const NARROW_ROWS = 20;

  const $ = (id) => document.getElementById(id);
  const made = (name, text, kind) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };

  // The right to see this page, and the facilitator's to act. The tab keeps both; they stand in no address.
  const right = {
    token: sessionStorage.getItem("board-token"),
    key: sessionStorage.getItem("board-key"),

    keep(name, value) {
      this[name] = value;
      if (value === null) sessionStorage.removeItem(`board-${name}`);
      else sessionStorage.setItem(`board-${name}`, value);
    },

    headers() {
      const shown = this.token ?? this.key;
      return shown === null ? {} : { authorization: `Bearer ${shown}` };
    },

    // Takes what a link brought out of the address, at once. Gives the server's words where it is good no more.
    async enter() {
      const [, kind, value] = /^#(ticket|key)=(.*)$/.exec(location.hash) ?? [];
      if (kind === undefined) return null;
      history.replaceState(null, "", location.pathname);
      if (kind === "key") {
        this.keep("key", value);
        return null;
      }
      try {
        const { token, key } = await (await ask("/board/enter", { ticket: value })).json();
        this.keep("token", token);
        this.keep("key", key);
        return null;
      } catch (error) {
        return error.message;
      }
    },
  };

  async function ask(path, body) {
    const headers = { ...right.headers() };
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: "error",
    });
    if (!answer.ok) {
      const error = new Error((await answer.text()).trim() || `the board answers ${answer.status}`);
      error.status = answer.status;
      throw error;
    }
    return answer;
  }

  // What is known of the table.
  const known = { epoch: "", version: 0, rows: new Map(), order: [], columns: [], now: 0, heardAt: 0 };
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  function learn({ epoch, whole, table }) {
    if (whole) {
      known.rows.clear();
      known.order = [];
    }
    const isNews = whole || known.epoch !== epoch || known.version !== table.version;
    let isNew = false;
    for (const row of table.rows) {
      isNew ||= !known.rows.has(row.name);
      known.rows.set(row.name, row);
    }
    if (isNew) {
      // Those without a name are last.
      known.order = [...known.rows.keys()].sort((a, b) => (a === "") - (b === "") || order.compare(a, b));
    }
    Object.assign(known, { epoch, version: table.version, columns: table.columns, codes: table.codes });
    Object.assign(known, { now: table.now, heardAt: performance.now() });
    return isNews;
  }

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const time = (seconds) => clock.format(new Date(seconds * 1000));
  const number = (value) => new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 }).format(value);
  const many = (count, one, several = `${one}s`) => `${count} ${count === 1 ? one : several}`;

  // How guesses are spread: from the least to the most, the half in the middle, and the median.
  function spread({ count, least, low, median, high, most }, unit) {
    const at = (value) => (most > least ? (100 * (value - least)) / (most - least) : 50);
    const figure = made("div", undefined, "spread");
    const bar = made("div", undefined, "bar");
    bar.setAttribute("aria-hidden", "true");
    const half = made("i", undefined, "half");
    half.style.left = `${at(low)}%`;
    half.style.width = `${at(high) - at(low)}%`;
    const middle = made("i", undefined, "median");
    middle.style.left = `${at(median)}%`;
    bar.append(half, middle);
    const told = count === 1 ? number(median) : `${number(least)} to ${number(most)}`;
    const ofHalf = count === 1 ? "" : `, median ${number(median)}`;
    figure.append(made("span", `${many(count, "guess", "guesses")}: ${told}\u00a0${unit}${ofHalf}`), bar);
    return figure;
  }

  function heads() {
    const cells = known.columns.map((column) => {
      const head = made("th", undefined, "step");
      head.scope = "col";
      head.append(made("span", `${column.number} ${column.title}`, "title"));
      if (column.guesses) head.append(spread(column.guesses, column.unit ?? ""));
      return head;
    });
    const name = made("th", "who");
    name.scope = "col";
    $("columns").replaceChildren(name, ...cells);
  }

  function score({ best, doubted, runs, passed }) {
    const cell = made("td", undefined, passed === null ? "failed" : "passed");
    cell.append(made("b", String(best)));
    if (doubted) cell.append(made("span", "?", "doubted"));
    if (passed !== null) cell.append(made("span", `✓ ${time(passed)}`, "pass"));
    cell.append(" ", made("span", many(runs, "run"), "runs"));
    if (doubted) cell.title = "the self-check of that run casts a doubt on it";
    return cell;
  }

  const isQuiet = ({ heard, done }) => {
    if (!$("quiet").checked || done) return false;
    const now = known.now + (performance.now() - known.heardAt) / 1000;
    return now - heard > 60 * Number($("minutes").value);
  };

  function row(name) {
    const of = known.rows.get(name);
    const line = made("tr");
    const head = made("th", undefined, "who");
    head.scope = "row";
    // A direction of its own, so that no name turns what stands beside it.
    const called = made("bdi", name === "" ? "no name" : name, name === "" ? "nameless" : "");
    called.title = name;
    head.append(called);
    if (isQuiet(of)) head.append(made("span", "quiet", "quiet"));
    line.append(head);
    for (const column of known.columns) {
      const has = of.cells[column.number];
      const cell = has ? score(has) : made("td", "·", "none");
      cell.dataset.step = `${column.number} ${column.title}`;
      line.append(cell);
    }
    return line;
  }

  let first = 0;
  let shown = 1;
  let turnedAt = 0;
  // Where the board of before is, once this one was reset.
  let saved = "";

  // Draws as many rows as have room, from `first` on.
  function draw() {
    const began = performance.now();
    const count = known.order.length;
    const table = document.querySelector("table");
    table.hidden = count === 0;
    $("said").hidden = count > 0;
    if (count === 0) said(`${saved}No code yet. Each run of a step ends with one: paste the chat, or have laptops join.`);
    $("count").textContent = count === 0 ? "" : `${many(count, "name")}, ${many(known.codes, "run")}`;
    heads();
    const rows = $("rows");
    if (first >= count) first = 0;
    const bottom = document.querySelector("footer").getBoundingClientRect().top;
    const isNarrow = innerWidth < NARROW;
    rows.replaceChildren();
    let last = first;
    while (last < count && last - first < (isNarrow ? NARROW_ROWS : 60)) {
      const line = row(known.order[last]);
      rows.append(line);
      if (!isNarrow && last > first && line.getBoundingClientRect().bottom > bottom) {
        line.remove();
        break;
      }
      last += 1;
    }
    shown = Math.max(1, last - first);
    $("pages").hidden = shown >= count;
    $("which").textContent = `${first + 1} to ${last} of ${count}`;
    performance.clearMeasures("board-draw");
    performance.measure("board-draw", { start: began, end: performance.now() });
  }

  function turn(by) {
    const count = known.order.length;
    if (by > 0) first = first + shown >= count ? 0 : first + shown;
    else first = first === 0 ? Math.max(0, count - shown) : Math.max(0, first - shown);
    turnedAt = performance.now();
    draw();
  }

  const said = (text) => {
    if ($("said").textContent !== text) $("said").textContent = text;
  };

  // What the reader is to know instead of the table, or above it.
  function tell(text) {
    $("said").hidden = false;
    said(text);
  }

  function tellWhere({ role, wide, address, join }) {
    const where = wide ? `OPEN TO THE NETWORK at ${address}, for who has the link; not encrypted` : "this machine only";
    if ($("where").textContent !== where) $("where").textContent = where;
    $("where").classList.toggle("wide", wide);
    $("acts").hidden = role !== "facilitator";
    if (!join) return;
    $("join-line").textContent = `make join BOARD='${join}'`;
    $("join-where").textContent = wide
      ? "On each laptop of this network, in the project's folder:"
      : "Only this machine reaches the board: in another copy of the project here,";
  }

  let timer = 0;
  let isAsking = false;

  async function look() {
    clearTimeout(timer);
    if (isAsking) return;
    isAsking = true;
    try {
      const news = await (await ask(`/board/rows?epoch=${known.epoch}&since=${known.version}`)).json();
      const wasCut = !$("said").hidden;
      tellWhere(news);
      const isDue = performance.now() - turnedAt > TURN && $("turn").ariaPressed === "true";
      if (learn(news) || wasCut) draw();
      else if (isDue && shown < known.order.length) turn(1);
      else if ($("quiet").checked) draw();
    } catch (error) {
      if (error.status === 403 && right.token !== null) {
        // A board that was started anew knows the room's key still.
        right.keep("token", null);
        $("acts").hidden = true;
        timer = setTimeout(look, 0);
        return;
      }
      tell(error.status === undefined ? "The board has stopped: make board starts it again." : error.message);
    } finally {
      isAsking = false;
    }
    clearTimeout(timer);
    timer = setTimeout(look, EVERY);
  }

  // What came of a paste, in words.
  function outcome({ new: fresh, known: before, refused }) {
    const list = made("ul");
    list.append(made("li", `${many(fresh, "new code")}, ${before} known already.`));
    for (const { why, count, texts } of refused) {
      const item = made("li", `${count} refused: ${why}`);
      for (const text of texts) item.append(made("br"), made("code", text));
      list.append(item);
    }
    if (fresh + before + refused.length === 0) list.replaceChildren(made("li", "There is no code in this text."));
    $("outcome").replaceChildren(list);
  }

  async function act(done) {
    try {
      await done();
      look();
    } catch (error) {
      $("outcome").replaceChildren(made("p", error.message));
      if (!$("paste").open) tell(error.message);
    }
  }

  $("take").addEventListener("click", () => act(async () => {
    $("take").disabled = true;
    $("outcome").textContent = "Reading…";
    try {
      outcome(await (await ask("/board/paste", { text: $("text").value })).json());
    } finally {
      $("take").disabled = false;
    }
    $("text").value = "";
  }));
  $("export").addEventListener("click", () => act(async () => {
    const link = made("a");
    link.href = URL.createObjectURL(await (await ask("/board/export.csv")).blob());
    link.download = "board.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), EVERY);
  }));
  $("reset").addEventListener("click", () => {
    if (!confirm("Save this board beside its file and begin an empty one?")) return;
    act(async () => {
      const { saved: name } = await (await ask("/board/reset", {})).json();
      saved = `What was here is saved as ${name}. `;
    });
  });
  for (const name of ["paste", "join"]) {
    $(`open-${name}`).addEventListener("click", () => {
      $("outcome").replaceChildren();
      $(name).showModal();
    });
    $(name).querySelector(".close").addEventListener("click", () => $(name).close());
  }
  $("before").addEventListener("click", () => turn(-1));
  $("after").addEventListener("click", () => turn(1));
  $("turn").addEventListener("click", ({ target }) => {
    target.ariaPressed = String(target.ariaPressed !== "true");
    target.textContent = target.ariaPressed === "true" ? "turning" : "still";
  });

  // What the reader chose stays chosen.
  for (const [id, value] of [["quiet", "checked"], ["minutes", "value"]]) {
    const before = localStorage.getItem(`board-${id}`);
    if (before !== null) $(id)[value] = value === "checked" ? before === "true" : before;
    $(id).addEventListener("input", () => {
      localStorage.setItem(`board-${id}`, $(id)[value]);
      draw();
    });
  }

  async function begin() {
    const why = await right.enter();
    if (why !== null) tell(why);
    else if (right.token === null && right.key === null) {
      tell("This board is for who has the link that make board printed, or the one to join.");
    } else look();
  }

  addEventListener("resize", () => known.order.length && draw());
  addEventListener("hashchange", begin);
  begin();
})();
