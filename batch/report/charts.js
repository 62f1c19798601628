// The overview: statuses, digits and confidences. Each bar is a button that filters the list.

const MAX_BAR_PERCENT = 70; // leaves room for the number above the bar

function drawStatuses(target, toggle) {
  const total = STATUSES.reduce((sum, status) => sum + data.counts[status], 0);
  for (const status of STATUSES) {
    const button = element("button", toneOf(status));
    button.type = "button";
    button.dataset.status = status;
    button.append(
      element("span", "dot"),
      element("span", "", status),
      track(data.counts[status] / Math.max(1, total)),
      element("span", "count", grouped(data.counts[status])),
    );
    button.addEventListener("click", () => toggle(status));
    target.append(button);
  }
}

function drawDigits(target, choose) {
  const highest = Math.max(1, ...data.digits);
  data.digits.forEach((number, digit) => {
    const button = bar(number / highest, String(digit), number, `${digit}: ${plural(number, "scan", "scans")}`);
    button.dataset.digit = digit;
    button.addEventListener("click", () => choose(String(digit)));
    target.append(button);
  });
}

function drawConfidences(target, choose) {
  const bins = data.confidences.length;
  const highest = Math.sqrt(Math.max(1, ...data.confidences));
  data.confidences.forEach((number, bin) => {
    const [low, high] = [bin / bins, (bin + 1) / bins];
    const words = `${low.toFixed(2)} to ${high.toFixed(2)}: ${plural(number, "scan", "scans")}`;
    const button = bar(Math.sqrt(number) / highest, "", "", words);
    button.dataset.low = low;
    button.addEventListener("click", () => choose(low, high));
    target.append(button);
  });
}

function bar(share, name, number, words) {
  const button = element("button");
  button.type = "button";
  button.title = words;
  button.ariaLabel = words;
  const filled = element("div", "bar");
  filled.style.height = `${share * MAX_BAR_PERCENT}%`;
  filled.style.minHeight = share > 0 ? "2px" : "0";
  if (name) button.append(element("span", "number", compact.format(number)));
  button.append(filled);
  if (name) button.append(element("span", "name", name));
  return button;
}

function drawFacts(target) {
  const models = data.models.filter(Boolean);
  const facts = [
    ["Read", [...new Set(data.span.map(timeWords))].join(" to ")],
    [models.length === 1 ? "Model" : "Models", models.join(", ")],
    ["Results", firstNames(data.sources)],
    ["Not listed", data.left_out ? `${plural(data.left_out, "row", "rows")} with status ok; the counts above include them` : ""],
    ["Read again", data.read_again ? `${plural(data.read_again, "older row", "older rows")} not shown: digitbox read the same scan again` : ""],
  ];
  for (const [name, text] of facts.filter(([, words]) => words)) {
    target.append(element("dt", "", name), element("dd", "", text));
  }
}

function firstNames(names) {
  const hiddenCount = names.length - 3;
  return names.slice(0, 3).join(", ") + (hiddenCount > 0 ? ` and ${grouped(hiddenCount)} more` : "");
}
