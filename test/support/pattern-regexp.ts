/**
 * Pattern matching by regular expression: slow and plain, the twin that `patternMatches` and `patternCovers`
 * are held against.
 */
function patternRegExp(pattern: string): RegExp {
  const parts = pattern.split(".").map((segment) => {
    if (segment === "*") return String.raw`[^.]+`;
    if (segment === ">") return String.raw`[^.]+(?:\.[^.]+)*`;
    return segment.replaceAll(/[^A-Za-z0-9_]/g, String.raw`\$&`);
  });
  return new RegExp(`^${parts.join(String.raw`\.`)}$`);
}

export function plainMatches(pattern: string, name: string): boolean {
  return patternRegExp(pattern).test(name);
}
