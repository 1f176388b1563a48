/** protocol/PROTOCOL.md as tests read it: its clauses, its tables and its example. */
export interface ProtocolDocument {
  readonly text: string;
  /** Numbers of the clauses in the order they stand, like "3.2". */
  readonly clauses: readonly string[];
  /** Numbers of the sections, like "3". */
  readonly sections: readonly string[];
  /** Rows of the table with this heading row, each a cell by its column. */
  table(...columns: string[]): Record<string, string>[];
}

function cellsOf(line: string): string[] {
  return line
    .trim()
    .replaceAll(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());
}

function isTable(line: string | undefined): boolean {
  return line?.trim().startsWith("|") === true;
}

function tableOf(lines: readonly string[], columns: readonly string[]): Record<string, string>[] {
  const heading = lines.findIndex(
    (line) => isTable(line) && cellsOf(line).join("|") === columns.join("|"),
  );
  if (heading < 0) throw new Error(`there is no table of ${columns.join(", ")}`);
  const rows: Record<string, string>[] = [];
  for (let i = heading + 2; isTable(lines[i]); i++) {
    const cells = cellsOf(lines[i] as string);
    rows.push(Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ""])));
  }
  return rows;
}

export async function readProtocolDocument(): Promise<ProtocolDocument> {
  const text = await Bun.file(new URL("../../protocol/PROTOCOL.md", import.meta.url)).text();
  const lines = text.split("\n");
  return {
    text,
    clauses: [...text.matchAll(/\*\*\[P-(\d+\.\d+)\]\*\*/g)].map((match) => match[1] as string),
    sections: [...text.matchAll(/^## (\d+)\. /gm)].map((match) => match[1] as string),
    table: (...columns) => tableOf(lines, columns),
  };
}

/** One WebSocket message of the example session. */
export interface ExampleMessage {
  readonly sender: "client" | "broker";
  readonly bytes: Uint8Array;
  readonly lines: readonly string[];
}

/** The messages of the last section, as they stand there. */
export function exampleSession(text: string): ExampleMessage[] {
  const blocks = [...text.matchAll(/^```text\n(.*?)\n```$/gms)].flatMap((match) =>
    (match[1] as string).split("\n\n"),
  );
  return blocks.map((block) => {
    const [first = "", ...rest] = block.split("\n").map((line) => line.trim());
    const hex = rest.filter((line) => /^[0-9a-f]{2}( |$)/.test(line)).join(" ");
    return {
      sender: first === "client:" ? "client" : "broker",
      bytes: Uint8Array.fromHex(hex.replaceAll(" ", "")),
      lines: rest.filter((line) => line.startsWith("[")),
    };
  });
}
