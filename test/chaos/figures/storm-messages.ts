/** What a process of clients is to do. */
export interface StormOrder {
  /** The broker they begin with, and the one they come to. */
  readonly ports: readonly [number, number];
  readonly count: number;
  readonly channel: string;
}

export type StormReport =
  | { readonly type: "joined" }
  /** Wall clock ms at which each had all it missed; and how many did not get all. */
  | { readonly type: "recovered"; readonly atMs: readonly number[]; readonly lost: number };
