// Loads the page again while it is looked at, and puts its live part into the place of the old one. Nothing needs it.
"use strict";

const EVERY_MS = 2000;
const SLOWEST_MS = 30000;
const live = document.getElementById("live");
// A page may ask to be looked at oftener: a run that is followed.
const every = Number(live?.dataset.live) || EVERY_MS;
let on = true;
let pause = every;

function quiet() {
  // Nobody's focus, selection or opened part is taken away.
  const selection = document.getSelection();
  const selects = selection && !selection.isCollapsed && live.contains(selection.anchorNode);
  const scrolled = [...live.querySelectorAll("pre")].some((part) => part.scrollLeft > 0 || (part.scrollTop > 0 && !atEnd(part)));
  const typed = [...live.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue);
  return !selects && !scrolled && !typed && !live.contains(document.activeElement);
}

// Who has scrolled a log to its end is shown what comes.
function atEnd(part) {
  return part.scrollHeight > part.clientHeight && part.scrollTop + part.clientHeight >= part.scrollHeight - 4;
}

function replace(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
  if (!fresh || fresh.innerHTML === live.innerHTML) return;
  const opened = [...live.querySelectorAll("details")].map((part) => part.open);
  const followed = [...live.querySelectorAll("pre")].map(atEnd);
  live.replaceChildren(...fresh.childNodes);
  live.querySelectorAll("pre").forEach((part, n) => { if (followed[n]) part.scrollTop = part.scrollHeight; });
  live.querySelectorAll("details").forEach((part, n) => { if (n in opened) part.open = opened[n]; });
}

async function look() {
  if (on && !document.hidden && quiet()) {
    try {
      const answer = await fetch(location.href, { redirect: "error", headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const text = await answer.text();
      if (on && quiet()) replace(text);
      pause = every;
      say("Live");
    } catch {
      pause = Math.min(pause * 2, SLOWEST_MS);
      say("Not up to date");
    }
  }
  setTimeout(look, pause);
}

let button = null;

function say(text) {
  if (!button || !on) return;
  button.textContent = text;
  button.classList.toggle("stale", text !== "Live");
}

function offerPause() {
  button = document.createElement("button");
  button.type = "button";
  button.className = "quiet live";
  button.title = "Stop or go on loading this page anew";
  button.setAttribute("aria-pressed", "true");
  button.textContent = "Live";
  button.addEventListener("click", () => {
    on = !on;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Live" : "Stopped";
  });
  document.querySelector(".who").prepend(button);
}

// A second click while the first is under way would do it twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

if (live) {
  offerPause();
  setTimeout(look, every);
}
