import { expect, test } from "bun:test";

import { ConfigError } from "../../../broker/config/config-error.ts";
import { configHelp, configMarkdown, redact } from "../../../broker/config/config-text.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import { flagOf, OPTION_NAMES, variableOf } from "../../../broker/config/options.ts";

test("help names every flag and variable, in lines that fit a terminal", () => {
  const help = configHelp();
  for (const name of OPTION_NAMES) {
    expect(help).toMatch(new RegExp(`^  ${flagOf(name)}( <|$)`, "m"));
    expect(help).toContain(`[${variableOf(name)}]`);
  }
  expect(help).toContain("--config <path>");
  expect(help).toContain("\n  --port <integer>\n");
  expect(help).toContain("\n  --reuse-port\n");
  for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
});

test("the page names every option once", () => {
  const page = configMarkdown();
  for (const name of OPTION_NAMES) {
    expect(page.split(`### ${name}\n`)).toHaveLength(2);
    expect(page).toContain(`\`${variableOf(name)}\`, \`${flagOf(name)}\``);
  }
});

test("redacted output shows every option but no secret", () => {
  const secret = "very-secret-0123456789abcdef-0123456789";
  const shown = redact(buildConfig({ tokenSecret: secret, apiKeys: [secret], port: 5 }));
  expect(JSON.stringify(shown)).not.toContain("very-secret");
  expect(shown).toMatchObject({ tokenSecret: "(hidden)", apiKeys: "(hidden)", port: 5 });
  expect(Object.keys(shown)).toEqual([...OPTION_NAMES]);
  expect(redact(buildConfig())).toMatchObject({ tokenSecret: null, apiKeys: [] });
});

test("the error lists its problems in a readable message", () => {
  const one = new ConfigError([{ where: "port", message: "is wrong" }]);
  expect(one.message).toBe("The configuration has a problem:\n  - port: is wrong");
  const two = new ConfigError([
    { where: "port", message: "is wrong" },
    { where: "host", message: "too" },
  ]);
  expect(two.message).toBe("The configuration has 2 problems:\n  - port: is wrong\n  - host: too");
});
