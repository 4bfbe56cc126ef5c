/* Saving corrected segments: our JSON or CSV as a download, or to the program that serves the page. */

function toRow(row) {
  const plain = { label: row.label, label_id: row.labelId, score: row.score, segment: [row.start, row.end] };
  if (row.labelId === null) delete plain.label_id;
  return row.reviewed ? { ...plain, reviewed: row.reviewed } : plain;
}

/** What is saved, by falling score: segments that the score slider shows, and all that a person changed. */
function toRows(page) {
  return page.kept().sort((a, b) => b.score - a.score || a.start - b.start).map(toRow);
}

function makeReview(page) {
  return { by: page.reviewer, at: new Date().toISOString(), edits: page.segments.edits, based_on: data.based_on };
}

function makeJson(page) {
  const facts = { ...data.facts, duration: data.duration, ...(data.fps ? { fps: data.fps } : {}) };
  const review = makeReview(page);
  return `${JSON.stringify({
    version: "VERSION 1.3",
    results: { [data.video_id]: toRows(page) },
    external_data: { ...data.run, videos: { [data.video_id]: { ...facts, review } }, reviewed: true },
  }, null, 1)}\n`;
}

const CSV_COLUMNS = ["video_id", "start", "end", "label", "label_id", "score", "reviewed_by", "reviewed_at", "edit"];

function makeCsv(page) {
  const quote = (value) => (/[,"\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const review = makeReview(page);
  const lines = toRows(page).map((row) => [
    data.video_id, row.segment[0], row.segment[1], row.label, row.label_id ?? "", row.score,
    row.reviewed?.by ?? review.by, row.reviewed?.at ?? review.at, row.reviewed?.edit ?? "kept",
  ].map(quote).join(","));
  return `${[CSV_COLUMNS.join(","), ...lines].join("\n")}\n`;
}

function parseCsv(text) {
  const rows = [[""]];
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at], row = rows[rows.length - 1];
    if (quoted && letter === '"' && text[at + 1] === '"') { row[row.length - 1] += '"'; at += 1; }
    else if (letter === '"') quoted = !quoted;
    else if (!quoted && letter === ",") row.push("");
    else if (!quoted && letter === "\n") rows.push([""]);
    else if (quoted || letter !== "\r") row[row.length - 1] += letter;
  }
  const [head, ...body] = rows.filter((row) => row.length > 1);
  return (body ?? []).map((row) => Object.fromEntries(head.map((name, place) => [name, row[place]])));
}

/** Rows of this page's video from a saved JSON or CSV file; throws what is wrong in words. */
function readSaved(text) {
  const isJson = text.trimStart().startsWith("{");
  const rows = isJson ? readJsonRows(JSON.parse(text)) : parseCsv(text).filter((row) => row.video_id === data.video_id).map(fromCsv);
  if (!rows) throw new Error(`the file has no segments of ${data.video_id}`);
  for (const row of rows) {
    const wrong = typeof row.label !== "string" || ![row.score, ...(row.segment ?? [NaN])].every(Number.isFinite) || row.segment.length !== 2;
    if (wrong) throw new Error("a segment lacks its label, its score, or its start and end in seconds");
  }
  return rows;
}

function readJsonRows(content) {
  const results = content.results ?? {};
  return Object.hasOwn(results, data.video_id) ? results[data.video_id] : null;
}

function fromCsv(row) {
  const reviewed = row.edit && row.edit !== "kept" ? { by: row.reviewed_by, at: row.reviewed_at, edit: row.edit } : null;
  return {
    label: row.label, label_id: row.label_id ? Number(row.label_id) : null, score: Number(row.score),
    segment: [Number(row.start), Number(row.end)], reviewed,
  };
}

function download(name, kind, text) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Send the rows to the program that serves this page; the digest says which version they were made from. */
async function sendRows(page) {
  const answer = await fetch(data.save_address, {
    method: "PUT",
    headers: { "Content-Type": "application/json", "If-Match": data.digest },
    body: JSON.stringify({ rows: toRows(page), by: page.reviewer, edits: page.segments.edits }),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  data.digest = said.digest;
  return said.file;
}
