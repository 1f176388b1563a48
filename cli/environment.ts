/** Variables the commands read that are no options of the broker; `serve` must not take them for mistakes. */
const CLIENT_VARIABLES = ["TICKWIRE_URL", "TICKWIRE_TOKEN"] as const;

/** Read by the tests, which start brokers with the environment they were given. */
const TEST_VARIABLES = ["TICKWIRE_DATA", "TICKWIRE_SEED"] as const;

export const OTHER_VARIABLES: readonly string[] = [...CLIENT_VARIABLES, ...TEST_VARIABLES];
