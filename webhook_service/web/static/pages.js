// The pages' scripts: automatic refresh in place, answers to htmx, confirmation before a deactivation, forms that take long, copying a
// password or a command, the time zone, and the theme. The pager of a list replaces #content, so the listeners of its elements are on the document.

const main = () => document.getElementById("content");

// The content of a part without the forms' tokens, which differ each time. An unchanged part is not replaced, so its buttons do not move.
const content = (part) => part.innerHTML.replace(/name="csrf_token" value="[^"]*"/g, "");

// The server writes times in UTC. They are shown in the browser's zone, unless the admin has chosen UTC. The title has the time in UTC, and
// how long ago it was. A time of the server has its own text in data-utc.
const two = (number) => String(number).padStart(2, "0");
const inUtc = () => { try { return localStorage.getItem("times") === "utc"; } catch { return false; } };
const localText = (at) =>
  `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

function relative(at) {
  const seconds = (at - Date.now()) / 1000;
  const [size, unit] = UNITS.find(([size]) => Math.abs(seconds) >= size) ?? UNITS[3];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

function showTimes(within) {
  const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts().find((part) => part.type === "timeZoneName").value;
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.dataset.utc ??= time.textContent;
    time.textContent = inUtc() ? time.dataset.utc : localText(at);
    time.title = `${time.dataset.utc} UTC, ${relative(at)}`;
  }
  for (const label of within.querySelectorAll("[data-zone]")) label.textContent = inUtc() ? "UTC" : zone;
}

const shown = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, content(part)]));
showTimes(document);

const otherZone = document.querySelector("[data-other-zone]");
if (otherZone) {
  const name = () => { otherZone.textContent = inUtc() ? "Local times" : "Times in UTC"; };
  otherZone.hidden = false;
  otherZone.addEventListener("click", () => {
    try { localStorage.setItem("times", inUtc() ? "local" : "utc"); } catch {}
    showTimes(document);
    name();
  });
  name();
}

// Replaces each part with data-live by its newer content, unless the focus or an open section is in it. Everything else on the page stays
// as it is.
async function refresh() {
  if (document.hidden) return;
  const response = await fetch(location.href, { headers: { "X-Refresh": "1" } });
  if (response.status === 401) return location.reload();
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = fresh.getElementById(part.id);
    if (!newer || content(newer) === shown.get(part.id) || part.contains(document.activeElement)) continue;
    if (part.querySelector("details[open]")) continue;
    part.innerHTML = newer.innerHTML;
    shown.set(part.id, content(newer));
    showTimes(part);
  }
  if (!fresh.getElementById("content").dataset.refresh) clearInterval(refreshing);
}

let refreshing;
const pause = document.querySelector("[data-pause]");
const start = () => { refreshing = setInterval(() => refresh().catch(() => {}), main().dataset.refresh * 1000); };
if (main().dataset.refresh) start();
if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const isPaused = pause.textContent !== "Stop refreshing";
    if (isPaused) start(); else clearInterval(refreshing);
    pause.textContent = isPaused ? "Stop refreshing" : "Refresh again";
  });
}

// htmx replaces the content by another page of a list, and suggests people (lists.html, parts.html). The focus moves to the new content, so
// that a screen reader reads it. If the session has ended, the page asks for a sign-in. The browser shows other errors as a page.
document.addEventListener("htmx:load", ({ detail: { elt } }) => {
  showTimes(elt);
  if (elt.id === "content") elt.focus({ preventScroll: true });
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL).pathname !== "/admin/login") return;
  event.detail.shouldSwap = false;
  location.reload();
});
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, ({ detail }) => { if (detail.boosted) location.assign(detail.pathInfo.requestPath); });
}

document.addEventListener("submit", (event) => {
  const question = event.submitter && event.submitter.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A form with data-working may take long. It says so until the result replaces the page, and is not submitted again meanwhile. The back
// button of the browser may show the page as it was left.
function showWorking(status, isWorking) {
  const [template] = status.children;
  status.replaceChildren(template, ...(isWorking ? [template.content.cloneNode(true)] : []));
  const button = status.closest("form").querySelector("button");
  button.ariaDisabled = isWorking;
  button.classList.toggle("disabled", isWorking);
}
document.addEventListener("submit", (event) => {
  const status = event.target.querySelector("[data-working]");
  if (!status || event.defaultPrevented) return;
  if (status.children.length > 1) event.preventDefault(); else showWorking(status, true);
});
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) for (const status of document.querySelectorAll("[data-working]")) showWorking(status, false);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(field.value ?? field.textContent);
  } catch {  // there is no permission, or the page is not served over https
    field.select ? field.select() : getSelection().selectAllChildren(field);
    document.execCommand("copy");
  }
  button.closest("[data-copying]").querySelector("[data-copied]").textContent = "Copied.";
});

const otherTheme = document.querySelector("[data-other-theme]");
if (otherTheme) {
  const name = () => { otherTheme.textContent = theme() === "dark" ? "Light theme" : "Dark theme"; };
  otherTheme.hidden = false;
  otherTheme.addEventListener("click", () => {
    const chosen = theme() === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", chosen); } catch {}
    document.documentElement.dataset.bsTheme = chosen;
    otherTheme.textContent = chosen === "dark" ? "Light theme" : "Dark theme";
  });
  dark.addEventListener("change", name);
  name();
}

// The key / moves the focus to the search field of the page, unless the admin is typing. The link "Select all" ticks the rows in place.
document.addEventListener("keydown", (event) => {
  const field = document.querySelector("form[role=search] input[aria-keyshortcuts]");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !field) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return;
  event.preventDefault();
  field.focus();
  field.select();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-select-all]");
  if (!link) return;
  event.preventDefault();
  const all = link.dataset.selectAll === "true";
  for (const box of document.querySelectorAll("input[type=checkbox][form=chosen]")) box.checked = all;
  link.dataset.selectAll = String(!all);
  link.textContent = all ? "Select none" : "Select all on this page";
});
