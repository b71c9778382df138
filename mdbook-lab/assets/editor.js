// "Open in the editor": at the edit points, and for whatever else asks `labEditor.link`.
//
// Which editor there is, the guide's server knows: it tells who has the session. Either the browser hands a `vscode://` link
// on to it, or the server starts it, with a file of the project and nothing else.
(() => {
  "use strict";

  let editor = null;

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const token = () => {
    try { return JSON.parse(sessionStorage.getItem("lab-session")); } catch { return null; }
  };
  const headers = () => ({ authorization: `Bearer ${token()}` });

  // A path within the project, as compilers and pages write it.
  const isInside = (file) => typeof file === "string" && file !== ""
    && !/^\/|\\|[\u0000-\u001f]/.test(file) && file.split("/").every((part) => part !== "" && !part.startsWith("."));

  // A link or a button that opens a file of the project, at a line and a column from 1 where they are given. Null where there
  // is nothing to open it with, or not yet: the document tells `lab-editor` when there is.
  function link(file, line, column) {
    if (editor === null || !isInside(file)) return null;
    const place = [line, column].filter((number) => Number.isInteger(number) && number > 0);
    const opener = make("span", "lab-open");
    const label = `Open ${[file, ...place].join(":")} in ${editor.name}`;
    if (editor.scheme) {
      const path = file.split("/").map(encodeURIComponent).join("/");
      const open = make("a", "", `Open in ${editor.name}`);
      open.href = `${editor.scheme}${encodeURI(editor.root)}/${path}${place.map((number) => `:${number}`).join("")}`;
      open.setAttribute("aria-label", label);
      opener.append(open);
      return opener;
    }
    const open = make("button", "", `Open in ${editor.name}`);
    const said = make("span", "lab-open-said");
    open.type = "button";
    open.setAttribute("aria-label", label);
    said.setAttribute("role", "status");
    open.addEventListener("click", async () => {
      said.textContent = "";
      const body = JSON.stringify({ file, line: place[0] ?? null, column: place[1] ?? null });
      const init = { method: "POST", headers: { "content-type": "application/json", ...headers() }, body };
      try {
        const answer = await fetch("/lab/open", init);
        if (!answer.ok) said.textContent = ` Not opened: ${(await answer.text()).trim()}`;
      } catch {
        said.textContent = " Not opened: the guide's server has stopped.";
      }
    });
    opener.append(open, said);
    return opener;
  }

  // Where a page names an edit point first, and where it shows it.
  function markEditPoints() {
    for (const old of document.querySelectorAll(".lab-open-edit")) old.remove();
    for (const { file, line } of editor?.edits ?? []) {
      const names = [...document.querySelectorAll("main p code")].filter((code) => code.textContent === file);
      const shown = document.getElementById("the-edit-point");
      const isBelow = (code) => shown && shown.compareDocumentPosition(code) & Node.DOCUMENT_POSITION_FOLLOWING;
      for (const code of new Set([names[0], names.find(isBelow)])) {
        const opener = code && link(file, line);
        if (!opener) continue;
        opener.classList.add("lab-open-edit");
        code.after(" ", opener);
      }
    }
  }

  async function ask() {
    if (token() === null) return;
    try {
      const answer = await fetch("/lab/editor", { headers: headers(), cache: "no-store" });
      editor = answer.ok ? await answer.json() : null;
    } catch {
      editor = null;
    }
    markEditPoints();
    document.dispatchEvent(new Event("lab-editor"));
  }

  window.labEditor = { link };
  document.addEventListener("lab-connected", ask);
})();
