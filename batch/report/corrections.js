// The answers of this person. The browser keeps them, and the page saves them as corrections.csv.

// Each answer has its own key, so that two windows of the same page do not overwrite each other.
const STORE = `digitbox:${data.id}:`;
const COLUMNS = ["file", "sha256", "batch", "prediction", "corrected", "reviewed_at", "page", "source"];

/** Answers by index of the row: `corrected` is 0 to 9 or none, `reviewedAt` an ISO time. */
const answers = new Map();
let storageWorks = true;

/** Read the answers that the browser kept. */
function restoreAnswers() {
  try {
    for (let number = 0; number < localStorage.length; number += 1) {
      const key = localStorage.key(number);
      readStored(key, localStorage.getItem(key));
    }
  } catch {
    storageWorks = false; // Some browsers keep nothing for local files: the answers go when the page closes.
  }
}

/** Read one stored entry, of this window or another; return true if it is an answer of this page. */
function readStored(key, value) {
  if (!key?.startsWith(STORE)) return false;
  const index = Number(key.slice(STORE.length));
  const [corrected, reviewedAt] = (value ?? "").split(" ");
  if (!(index >= 0 && index < count)) return false;
  if (reviewedAt && /^([0-9]|none)$/.test(corrected)) answers.set(index, { corrected, reviewedAt });
  else answers.delete(index);
  return true;
}

function store(index) {
  const answer = answers.get(index);
  try {
    if (answer) localStorage.setItem(STORE + index, `${answer.corrected} ${answer.reviewedAt}`);
    else localStorage.removeItem(STORE + index);
    storageWorks = true;
  } catch {
    storageWorks = false;
  }
}

/** Set the answer for a row, or delete it with null; return the answer before. */
function setAnswer(index, corrected) {
  const before = answers.get(index)?.corrected ?? null;
  if (corrected === null) answers.delete(index);
  else answers.set(index, { corrected, reviewedAt: new Date().toISOString().replace(/\.\d+Z/, "Z") });
  store(index);
  return before;
}

/** Return the answer given here, else an earlier correction, else null. */
function answerOf(index) {
  return answers.get(index)?.corrected ?? data.corrected[index] ?? null;
}

function isDoubtful(index) {
  return statusOf(index) !== "ok" && !(index in data.corrected);
}

/** Return true if digitbox could read the file, so that a person can answer. */
function canBeReviewed(index) {
  return data.sha256[index] !== "";
}

function csvCell(text) {
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asCsv() {
  const sorted = [...answers].sort(([first], [second]) => first - second);
  const rows = sorted.map(([index, { corrected, reviewedAt }]) => [
    data.file[index], data.sha256[index], batchOf(index), data.prediction[index] ?? "", corrected, reviewedAt,
    data.page[index] ?? "", sourceOf(index),
  ]);
  return [COLUMNS, ...rows].map((row) => `${row.map((value) => csvCell(String(value))).join(",")}\n`).join("");
}

function saveCorrections() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
  link.download = "corrections.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000); // the browser needs it while it downloads
}
