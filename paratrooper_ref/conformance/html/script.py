"""The little that a page can do: sort its cases, and find them by words or verdicts."""

from typing import Final

SCRIPT: Final = """\
(function () {
  var table = document.getElementById("cases");
  if (!table) return;
  var body = table.tBodies[0], rows = Array.from(body.rows), off = {};
  function said(row, i) {
    var cell = row.cells[i], data = cell.querySelector("data");
    if (!data) return cell.textContent.trim() || null;
    var x = data.value;
    return x === "inf" || x === "nan" ? Infinity : x === "-inf" ? -Infinity : Number(x);
  }
  Array.from(table.tHead.rows[0].cells).forEach(function (head, i) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.appendChild(button);
    button.addEventListener("click", function () {
      var down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      Array.from(head.parentNode.cells).forEach(function (h) { h.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
      rows.sort(function (a, b) {
        var x = said(a, i), y = said(b, i);
        if (x === null || y === null) return (x === null) - (y === null);
        return (x < y ? -1 : x > y ? 1 : 0) * down;
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });
  var tools = document.createElement("div"), find = document.createElement("input");
  tools.className = "tools";
  find.type = "search";
  find.placeholder = "Find a case";
  find.setAttribute("aria-label", "Find a case");
  tools.appendChild(find);
  function show() {
    var words = find.value.toLowerCase().split(/\\s+/);
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      row.hidden = off[row.dataset.verdict] === true
        || !words.every(function (word) { return text.includes(word); });
    });
  }
  find.addEventListener("input", show);
  var verdicts = rows.map(function (row) { return row.dataset.verdict; });
  verdicts = verdicts.filter(function (v, i) { return verdicts.indexOf(v) === i; });
  if (verdicts.length > 1) verdicts.forEach(function (verdict) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = verdict;
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", function () {
      off[verdict] = !off[verdict];
      button.setAttribute("aria-pressed", String(!off[verdict]));
      show();
    });
    tools.appendChild(button);
  });
  table.parentNode.insertBefore(tools, table);
})();
"""
