// What the person has said so far: kept by the browser, and saved as corrections.csv.

const STORE = `digitbox:${data.id}`;
const COLUMNS = ["file", "sha256", "batch", "prediction", "corrected", "reviewed_at"];

/** Decisions by place of the row: `corrected` is 0 to 9 or none, `at` an ISO time. */
const decisions = restored();
let kept = true;

function restored() {
  const found = new Map();
  try {
    for (const line of (localStorage.getItem(STORE) ?? "").split("\n")) {
      const [place, corrected, at] = line.split(" ");
      if (at && Number(place) < count && /^([0-9]|none)$/.test(corrected)) found.set(Number(place), { corrected, at });
    }
  } catch {
    // A browser that keeps nothing for files: what is said lasts as long as the page.
  }
  return found;
}

function keep() {
  try {
    localStorage.setItem(STORE, [...decisions].map(([place, { corrected, at }]) => `${place} ${corrected} ${at}`).join("\n"));
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
  keep();
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
