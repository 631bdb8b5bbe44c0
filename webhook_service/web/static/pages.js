// What a page does besides links and forms: it refreshes itself in place, asks before it dismisses, and copies a password.

const main = document.querySelector("main");

// What a part tells; the token of a form is another each time. Whoever is about to press a button finds it where it was.
const told = (part) => part.innerHTML.replace(/name="csrf_token" value="[^"]*"/g, "");

// Each part with data-live is exchanged for its newer self, unless the reader is in it. What is open, focused or scrolled stays.
async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { "X-Refresh": "1" } });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = fresh.getElementById(part.id);
    if (!newer || told(newer) === told(part) || part.contains(document.activeElement)) continue;
    part.innerHTML = newer.innerHTML;
  }
  if (!fresh.querySelector("main").dataset.refresh) clearInterval(refreshing);
}

let refreshing;
const pause = document.querySelector("[data-pause]");
const start = () => { refreshing = setInterval(() => refresh().catch(() => {}), main.dataset.refresh * 1000); };
if (main.dataset.refresh) start();
if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const isPaused = pause.textContent !== "Stop refreshing";
    if (isPaused) start(); else clearInterval(refreshing);
    pause.textContent = isPaused ? "Stop refreshing" : "Refresh again";
  });
}

document.addEventListener("submit", (event) => {
  const question = event.submitter && event.submitter.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {  // no permission, or no https
      field.select();
      document.execCommand("copy");
    }
    document.querySelector("[data-copied]").textContent = "Copied.";
  });
}
