/** A title and columns as wide as their widest cell. The last column may be empty. */
export function table(
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = head.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  const rule = "-".repeat(line(head.map((_, i) => "x".repeat(widths[i] ?? 0))).length);
  return [title, rule, line(head), rule, ...rows.map(line)].join("\n");
}
