// The overview: statuses, digits and confidences. Each bar is a button that filters the list.

const MAX_BAR_PERCENT = 70; // leaves room for the number above the bar
const bins = data.confidences.length;

/** Counts of the rows that the page does not list. At this moment, it has only the answers that digitbox counted. */
const unlisted = (() => {
  const listed = countRows();
  return {
    statuses: Object.fromEntries(STATUSES.map((status) => [status, data.counts[status] - listed.statuses[status]])),
    digits: data.digits.map((number, digit) => number - listed.digits[digit]),
    confidences: data.confidences.map((number, bin) => number - listed.confidences[bin]),
  };
})();

/** Count the listed rows as they are now. */
function countRows() {
  const counts = { statuses: {}, digits: Array(10).fill(0), confidences: Array(bins).fill(0) };
  for (const status of STATUSES) counts.statuses[status] = 0;
  for (let index = 0; index < rowCount(); index += 1) {
    const digit = digitOf(index);
    const confidence = rows.confidence[index];
    counts.statuses[statusOf(index)] += 1;
    if (/^\d$/.test(digit)) counts.digits[Number(digit)] += 1;
    if (confidence !== null) counts.confidences[Math.min(bins - 1, Math.floor(confidence * bins))] += 1;
  }
  return counts;
}

/** Return the counts of all rows as they are now. */
function currentCounts() {
  const counts = countRows();
  for (const status of STATUSES) counts.statuses[status] += unlisted.statuses[status];
  unlisted.digits.forEach((number, digit) => { counts.digits[digit] += number; });
  unlisted.confidences.forEach((number, bin) => { counts.confidences[bin] += number; });
  return counts;
}

const totalOf = (counts) => STATUSES.reduce((sum, status) => sum + counts.statuses[status], 0);

/** Make the buttons of the overview; they call these functions. */
function setUpCharts(toggle, chooseDigit, chooseConfidence) {
  for (const status of STATUSES) {
    const button = buttonOf(toneOf(status), "", () => toggle(status));
    button.dataset.status = status;
    button.append(element("span", "dot"), element("span", "", status), track(0), element("span", "count"));
    byId("statuses").append(button);
  }
  for (let digit = 0; digit < 10; digit += 1) {
    const button = bar(String(digit), () => chooseDigit(String(digit)));
    button.dataset.digit = digit;
    byId("digits").append(button);
  }
  for (let bin = 0; bin < bins; bin += 1) {
    const [low, high] = [bin / bins, (bin + 1) / bins];
    const button = bar("", () => chooseConfidence(low, high));
    button.dataset.low = low;
    byId("confidences").append(button);
  }
}

function bar(name, click) {
  const button = buttonOf("", "", click);
  if (name) button.append(element("span", "number"));
  button.append(element("div", "bar"));
  if (name) button.append(element("span", "name", name));
  return button;
}

function drawCharts(counts) {
  const total = totalOf(counts);
  for (const button of byId("statuses").children) {
    const number = counts.statuses[button.dataset.status];
    button.querySelector(".track div").style.width = `${(number / Math.max(1, total)) * 100}%`;
    button.querySelector(".count").textContent = grouped(number);
  }
  const highest = Math.max(1, ...counts.digits);
  counts.digits.forEach((number, digit) => {
    const button = byId("digits").children[digit];
    button.querySelector(".number").textContent = compact.format(number);
    resize(button, number / highest, `${digit}: ${plural(number, "scan")}`);
  });
  const highestRoot = Math.sqrt(Math.max(1, ...counts.confidences));
  counts.confidences.forEach((number, bin) => {
    const range = `${(bin / bins).toFixed(2)} to ${((bin + 1) / bins).toFixed(2)}`;
    resize(byId("confidences").children[bin], Math.sqrt(number) / highestRoot, `${range}: ${plural(number, "scan")}`);
  });
}

function resize(button, share, words) {
  button.title = words;
  button.ariaLabel = words;
  const filled = button.querySelector(".bar");
  filled.style.height = `${share * MAX_BAR_PERCENT}%`;
  filled.style.minHeight = share > 0 ? "2px" : "0";
}

function drawFacts(target) {
  const times = [...new Set([rows.processed_at.reduce(earlier, ""), rows.processed_at.reduce(later, "")].filter(Boolean))];
  const models = data.models.filter(Boolean);
  const facts = [
    ["Read", [...new Set(times.map(timeWords))].join(" to ")],
    [models.length === 1 ? "Model" : "Models", models.join(", ")],
    ["Results", firstNames(data.sources)],
    ["Not listed", data.left_out ? `${plural(data.left_out, "row")} with status ok; the counts above include them` : ""],
    ["Read again", data.read_again ? `${plural(data.read_again, "older row")} not shown: digitbox read the same scan again` : ""],
  ];
  target.replaceChildren();
  for (const [name, text] of facts.filter(([, words]) => words)) {
    target.append(element("dt", "", name), element("dd", "", text));
  }
}

const earlier = (first, second) => (first && first < second ? first : second);
const later = (first, second) => (first > second ? first : second);

function firstNames(names) {
  const hiddenCount = names.length - 3;
  return names.slice(0, 3).join(", ") + (hiddenCount > 0 ? ` and ${grouped(hiddenCount)} more` : "");
}
