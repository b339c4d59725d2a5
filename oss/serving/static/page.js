// The page's behaviour: ask after every change, show progress, put the answer in place, say the new totals aloud.
import { ask } from "/static/ask.js";
import { changesOf, markChanges, restore, showFaults } from "/static/fields.js";

const words = document.body.dataset;
const form = document.getElementById("form");
const result = document.getElementById("result");
const bar = document.getElementById("bar");
const stage = document.getElementById("stage");
const problem = document.getElementById("problem");
const spoken = document.getElementById("spoken");
const whole = document.getElementById("whole");
const report = document.getElementById("report");
const frame = document.getElementById("frame");
const page = crypto.randomUUID();
const kept = "oss-what-if";
const BAR_AFTER_MS = 150; // a quick answer needs no bar

let running = null;
let asked = null;
let shownKey = "";
let slow = 0;

function working(on) {
  clearTimeout(slow); // an answer may stand here before its stream has ended: no bar after that
  result.setAttribute("aria-busy", String(on));
  if (!on) {
    bar.hidden = true;
    stage.textContent = "";
  }
}

function place(answer) {
  result.innerHTML = answer.html;
  for (const [name, text] of Object.entries(answer.totals)) document.getElementById(name).textContent = text;
}

function fail(text) {
  problem.textContent = text;
  problem.hidden = false;
  working(false);
}

function showReport() {
  if (report.open && shownKey && frame.dataset.key !== shownKey) {
    frame.dataset.key = shownKey;
    frame.src = `/report/${shownKey}/${words.lang}.html?show`;
  }
}

async function compute() {
  const changes = changesOf(form);
  const question = JSON.stringify(changes);
  if (question === asked) return;
  asked = question;
  sessionStorage.setItem(kept, question);
  markChanges(form, words.changed);
  running?.abort();
  const mine = (running = new AbortController());
  performance.mark("what-if-asked");
  problem.hidden = true;
  showFaults(form, []);
  clearTimeout(slow);
  slow = setTimeout(() => {
    working(true);
    bar.hidden = false;
    bar.removeAttribute("value");
    spoken.textContent = words.working;
  }, BAR_AFTER_MS);
  let answered = false;
  try {
    for await (const event of ask({ page, lang: words.lang, changes }, mine.signal)) {
      if (mine !== running) return;
      answered ||= event.kind !== "progress" && event.kind !== "early";
      if (event.kind === "progress") {
        stage.textContent = bar.hidden ? "" : `${words.working}: ${event.what}`;
        if (event.share === null) bar.removeAttribute("value");
        else bar.value = event.share;
      } else if (event.kind === "early" || event.kind === "done") {
        place(event);
        performance.measure(`what-if-${event.kind}`, "what-if-asked");
        if (event.kind === "done") {
          spoken.textContent = event.spoken;
          shownKey = event.key;
          whole.hidden = false;
          working(false);
          showReport();
        }
      } else if (event.kind === "faults") {
        const without = showFaults(form, event.faults);
        fail([words.bad, ...without].join(" "));
      } else if (event.kind === "failed") {
        fail(`${words.failed}: ${event.message}. ${event.remedy}`);
      }
    }
    if (!answered && mine === running) throw new Error("the answer broke off");
  } catch (error) {
    if (error.name !== "AbortError" && mine === running) {
      asked = null;
      fail(words.lost);
    }
  }
}

async function download(link) {
  const name = link.textContent;
  link.setAttribute("aria-disabled", "true");
  spoken.textContent = stage.textContent = `${words.making} ${name} …`;
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(await answer.text());
    const file = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "");
    const address = URL.createObjectURL(await answer.blob());
    const save = Object.assign(document.createElement("a"), { href: address, download: file ? file[1] : "" });
    save.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    spoken.textContent = `${words.made}: ${name}`;
    stage.textContent = "";
  } catch (error) {
    stage.textContent = "";
    fail(error instanceof TypeError ? words.lost : error.message);
  } finally {
    link.removeAttribute("aria-disabled");
  }
}

form.addEventListener("change", compute);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  compute();
});
form.addEventListener("reset", () => setTimeout(compute));
result.addEventListener("click", (event) => {
  const link = event.target.closest("a.download");
  if (!link) return;
  event.preventDefault();
  if (link.getAttribute("aria-disabled") !== "true") download(link);
});
report.addEventListener("toggle", showReport);
frame.addEventListener("load", () => {
  const inside = frame.contentDocument?.documentElement;
  if (inside) frame.style.height = `${inside.scrollHeight + 20}px`;
});

restore(form, sessionStorage.getItem(kept));
compute();
