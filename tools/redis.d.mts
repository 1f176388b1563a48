/** See redis.mjs. */
export declare function ensureRedis(): Promise<string | undefined>;
export declare function findRedis(): string | undefined;
