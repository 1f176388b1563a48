import type { OptionValues } from "../options.ts";
import { ADMIN_OPTIONS, ask } from "../transform/admin.ts";

/** Options of the commands that ask several nodes. */
export const NODE_OPTIONS = {
  url: {
    ...ADMIN_OPTIONS.url,
    multiple: true,
    text: `${ADMIN_OPTIONS.url.text}; it answers for all nodes of its cluster, of which more may be named`,
  },
  token: ADMIN_OPTIONS.token,
} as const;

export type NodeOptions = OptionValues<typeof NODE_OPTIONS>;

/** Asks every node the same; answers in the order of the URLs. @throws CliError, RefusedError */
export async function askNodes<Answer>(
  options: NodeOptions,
  path: string,
  body?: object,
): Promise<Answer[]> {
  return Promise.all(
    urlsOf(options).map(
      async (url) => (await ask({ url, token: options.token }, path, body)) as Answer,
    ),
  );
}

/** Undefined stands for the broker that is asked when none is named. */
export function urlsOf({ url }: NodeOptions): readonly (string | undefined)[] {
  return url ?? [undefined];
}
