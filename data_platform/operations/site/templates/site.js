"use strict";

// Searches PAGES of search-index.js, and says how long ago each moment was. The pages work without.
(() => {
  const MOST = 20;
  const root = document.documentElement.dataset.root;
  const input = document.getElementById("search");
  const list = document.getElementById("found");
  const count = document.getElementById("found-count");

  function score(page, words) {
    const name = page.name.toLowerCase();
    const last = name.split("/").pop();
    let total = 0;
    for (const word of words) {
      if (last.startsWith(word)) total += 8;
      else if (name.includes(word)) total += 5;
      else if (page.columns.some((column) => column.toLowerCase().includes(word))) total += 3;
      else if (page.text.toLowerCase().includes(word)) total += 1;
      else return 0;
    }
    return total;
  }

  function element(tag, text, className) {
    const made = document.createElement(tag);
    made.textContent = text; // never as HTML
    if (className) made.className = className;
    return made;
  }

  function entry(page, words) {
    const link = element("a", page.name);
    link.href = root + page.page;
    const columns = page.columns.filter((name) => words.some((w) => name.toLowerCase().includes(w)));
    const about = columns.length ? `columns ${columns.slice(0, 5).join(", ")}` : page.about;
    link.append(element("span", ` ${about}`, "about"));
    return link;
  }

  function search() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = PAGES.map((page) => [score(page, words), page]).filter(([of]) => of > 0);
    found.sort(([a, one], [b, other]) => b - a || one.name.localeCompare(other.name));
    list.hidden = !words.length;
    list.replaceChildren(...found.slice(0, MOST).map(([, page]) => entry(page, words)));
    const said = `${found.length || "nothing"} found`;
    if (!found.length || found.length > MOST) list.append(element("p", said));
    count.textContent = words.length ? said : "";
  }

  function move(event, step) {
    const stops = [input, ...list.querySelectorAll("a")];
    const next = stops[stops.indexOf(document.activeElement) + step];
    if (next) next.focus();
    event.preventDefault();
  }

  input.addEventListener("input", search);
  input.parentElement.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(event, 1);
    else if (event.key === "ArrowUp") move(event, -1);
    else if (event.key === "Escape") { list.hidden = true; input.value = ""; input.focus(); }
    else if (event.key === "Enter" && document.activeElement === input) {
      const first = list.querySelector("a");
      if (first) first.click();
    }
  });
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input, textarea");
    if (event.key === "/" && !writing) { input.focus(); event.preventDefault(); }
  });
  document.addEventListener("focusin", (event) => {
    if (!input.parentElement.contains(event.target)) list.hidden = true;
  });
  document.addEventListener("click", (event) => {
    if (!input.parentElement.contains(event.target)) list.hidden = true;
  });

  const asked = new URLSearchParams(location.search).get("q");
  if (asked) { input.value = asked; search(); }

  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) || units.at(-1);
    time.title = words.format(Math.round(seconds / size), unit);
  }
})();
