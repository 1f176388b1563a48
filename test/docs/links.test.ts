import { expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

// Aim: nobody who reads follows a link to nothing. Method: each relative link of each Markdown file is resolved, and
// what it names behind `#` is looked for among the headings there.

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DOCUMENTS = [...new Bun.Glob("**/*.md").scanSync({ cwd: ROOT })]
  .filter((path) => !path.split("/").includes("node_modules"))
  .toSorted();

/** Text outside of code, where brackets are brackets. */
function proseOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8")
    .replace(/^```.*?^```/gms, "")
    .replace(/`[^`\n]*`/g, "code");
}

/** What follows `#` in a link to each heading, as forges make it. */
function anchorsOf(path: string): Set<string> {
  const text = readFileSync(join(ROOT, path), "utf8").replace(/^```.*?^```/gms, "");
  const headings = [...text.matchAll(/^#+ +(.*)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .trim()
        .toLowerCase()
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

interface Link {
  readonly from: string;
  /** Path from the root. */
  readonly to: string;
  readonly anchor: string;
}

function linksOf(from: string): Link[] {
  const targets = [...proseOf(from).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor = ""] = target.split("#");
      return { from, to: path === "" ? from : normalize(join(dirname(from), path)), anchor };
    });
}

const LINKS = DOCUMENTS.flatMap(linksOf);

function isBroken({ to, anchor }: Link): boolean {
  if (!existsSync(join(ROOT, to))) return true;
  return anchor !== "" && !anchorsOf(to).has(anchor);
}

test("every relative link leads to a file, and to a heading where it names one", () => {
  expect(LINKS.length).toBeGreaterThan(20);
  expect(LINKS.some(({ anchor }) => anchor !== "")).toBe(true);
  expect(LINKS.filter(isBroken)).toEqual([]);
});

test("every document of docs/ can be reached from README.md", () => {
  const reached = new Set(["README.md"]);
  for (const path of reached) {
    if (!existsSync(join(ROOT, path))) continue;
    if (statSync(join(ROOT, path)).isDirectory()) {
      for (const one of DOCUMENTS) if (dirname(one) === path) reached.add(one);
    } else if (path.endsWith(".md")) for (const { to } of linksOf(path)) reached.add(to);
  }
  const documents = DOCUMENTS.filter((path) => path.startsWith("docs/"));
  expect(documents.length).toBeGreaterThan(5);
  expect(documents.filter((path) => !reached.has(path))).toEqual([]);
});

test("decisions are numbered without a gap, and say their number first", () => {
  const decisions = DOCUMENTS.filter((path) => path.startsWith("docs/decisions/"));
  for (const [index, path] of decisions.entries()) {
    const number = String(index + 1).padStart(3, "0");
    expect(basename(path)).toStartWith(`${number}-`);
    expect(readFileSync(join(ROOT, path), "utf8")).toStartWith(`# ${number} `);
  }
});
