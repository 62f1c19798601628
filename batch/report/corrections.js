// What the person has said so far: kept by the browser, and saved as corrections.csv.

// One entry for each decision: the same page may be open twice, and neither must undo the other's.
const STORE = `digitbox:${data.id}:`;
const COLUMNS = ["file", "sha256", "batch", "prediction", "corrected", "reviewed_at"];

/** Decisions by place of the row: `corrected` is 0 to 9 or none, `at` an ISO time. */
const decisions = new Map();
let kept = true;

function restore() {
  try {
    for (let number = 0; number < localStorage.length; number += 1) {
      const key = localStorage.key(number);
      hear(key, localStorage.getItem(key));
    }
  } catch {
    kept = false; // A browser that keeps nothing for files: what is said lasts as long as the page.
  }
}

/** Takes over what the browser has kept, or another window of this page has just said. */
function hear(key, value) {
  if (!key?.startsWith(STORE)) return false;
  const place = Number(key.slice(STORE.length));
  const [corrected, at] = (value ?? "").split(" ");
  if (!(place >= 0 && place < count)) return false;
  if (at && /^([0-9]|none)$/.test(corrected)) decisions.set(place, { corrected, at });
  else decisions.delete(place);
  return true;
}

function keep(place) {
  const decision = decisions.get(place);
  try {
    if (decision) localStorage.setItem(STORE + place, `${decision.corrected} ${decision.at}`);
    else localStorage.removeItem(STORE + place);
    kept = true;
  } catch {
    kept = false;
  }
}

/** Says what a scan shows, or with null takes that back; returns what was said before. */
function decide(place, corrected) {
  const before = decisions.get(place)?.corrected ?? null;
  if (corrected === null) decisions.delete(place);
  else decisions.set(place, { corrected, at: new Date().toISOString().replace(/\.\d+Z/, "Z") });
  keep(place);
  return before;
}

/** What is known of a row by now: said by the person here, or applied before. */
function answerOf(place) {
  return decisions.get(place)?.corrected ?? data.corrected[place] ?? null;
}

function isDoubtful(place) {
  return statusOf(place) !== "ok" && !(place in data.corrected);
}

/** A person can say something of every scan that was read; of the others there is nothing to look at. */
function canBeReviewed(place) {
  return data.sha256[place] !== "";
}

function cell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asCsv() {
  const rows = [...decisions].sort(([one], [other]) => one - other).map(([place, { corrected, at }]) => [
    data.file[place], data.sha256[place], batchOf(place), data.prediction[place] ?? "", corrected, at,
  ]);
  return [COLUMNS, ...rows].map((row) => `${row.map((value) => cell(String(value))).join(",")}\n`).join("");
}

function save() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
  link.download = "corrections.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
