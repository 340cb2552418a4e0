"use strict";
// Search and filters. Everything that is found is set as text, never as markup.

(() => {
  const MOST = 30;
  const root = document.getElementById("_script").dataset.root;
  const form = document.getElementById("_search");
  const field = document.getElementById("_query");
  const status = document.getElementById("_status");
  const list = document.getElementById("_results");

  const entries = MAC_INDEX.map(([kind, name, address, more]) => ({
    kind, name, address, title: name.toLowerCase(), words: `${kind} ${name} ${more}`.toLowerCase(),
  }));

  // Lower is nearer: the name itself, its beginning, within it, elsewhere; -1 when a word is missing.
  const distance = (entry, words) => {
    if (!words.every((word) => entry.words.includes(word))) return -1;
    const whole = words.join(" ");
    if (entry.title === whole) return 0;
    if (entry.title.startsWith(words[0])) return 1;
    return words.every((word) => entry.title.includes(word)) ? 2 : 3;
  };

  const split = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  const find = (text) => {
    const words = split(text);
    if (!words.length) return [];
    return entries
      .map((entry, order) => ({ entry, order, rank: distance(entry, words) }))
      .filter((found) => found.rank >= 0)
      .sort((a, b) => a.rank - b.rank || a.order - b.order)
      .map((found) => found.entry);
  };

  const item = (entry) => {
    const link = document.createElement("a");
    const kind = document.createElement("span");
    link.href = root + entry.address;
    link.textContent = entry.name;
    kind.textContent = entry.kind;
    link.append(kind);
    const row = document.createElement("li");
    row.append(link);
    return row;
  };

  const show = () => {
    const asked = field.value.trim();
    const found = find(asked);
    list.replaceChildren(...found.slice(0, MOST).map(item));
    list.hidden = !asked;
    status.textContent = asked ? `${found.length} ${found.length === 1 ? "result" : "results"}` : "";
    if (asked && (!found.length || found.length > MOST)) {
      const row = document.createElement("li");
      const note = document.createElement("p");
      note.className = "quiet";
      note.textContent = found.length ? `${found.length - MOST} more: type another word` : "Nothing found";
      row.append(note);
      list.append(row);
    }
  };

  const close = () => {
    field.value = "";
    show();
    field.blur();
  };

  const links = () => [...list.querySelectorAll("a")];

  const move = (step) => {
    const found = links();
    const at = found.indexOf(document.activeElement) + step;
    if (at < 0) field.focus();
    else if (at < found.length) found[at].focus();
  };

  form.hidden = false;
  field.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [first] = links();
    if (first) {
      // A section of this very page is reached without leaving it, so the results must go.
      const { href } = first;
      close();
      location.assign(href);
    }
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    if (event.target.closest("a")) setTimeout(close);
  });
  form.addEventListener("focusout", (event) => {
    if (!event.relatedTarget || !form.contains(event.relatedTarget)) list.hidden = true;
  });
  field.addEventListener("focus", () => { list.hidden = !field.value.trim(); });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing) return;
    event.preventDefault();
    field.focus();
    field.select();
  });

  for (const filter of document.querySelectorAll("input[data-filter]")) {
    const rows = [...document.getElementById(filter.dataset.filter).tBodies[0].rows];
    const line = filter.closest("p");
    line.hidden = false;
    filter.addEventListener("input", () => {
      const words = split(filter.value);
      let shown = 0;
      for (const row of rows) {
        row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
        shown += !row.hidden;
      }
      line.querySelector("[role=status]").textContent = words.length ? `${shown} of ${rows.length}` : "";
    });
  }

  // Paper cannot be unfolded.
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
})();
