import { listKeys } from "./directory-pages.ts";
import { sweepUsersScript } from "./directory-scripts.ts";
import type { Keys } from "./keys.ts";
import { texts } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";

/** Users whose counts are taken from a dead node in one call. */
const SWEEP_BATCH = 500;

/** Deletes what the holder of a lease had listed. Any node can, also one without a directory. */
export async function sweepDirectory(home: Home, keys: Keys, lease: string): Promise<void> {
  const [index, values] = listKeys(keys, "connections", lease);
  for (;;) {
    const reply = await home.call("ZRANGEBYLEX", index, "[a", "(b", "LIMIT", "0", `${SWEEP_BATCH}`);
    const aliases = texts(reply);
    if (aliases.length === 0) break;
    const hashes = new Set(aliases.map((alias) => alias.slice(1, alias.indexOf("."))));
    const users = [...hashes].map((hash) => keys.home(`u:${hash}`));
    await home.run(sweepUsersScript, [index, ...users], [lease, ...aliases]);
  }
  await home.call("UNLINK", index, values, ...listKeys(keys, "channels", lease));
}
