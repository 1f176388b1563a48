// One node in a process of its own, that a test can stop and kill. Its options come as JSON in the arguments; its
// URL goes to standard output. It ends with its standard input, so that it does not outlive the test.
import { RedisNode } from "./redis-node.ts";
import type { RedisNodeOptions } from "./redis-node.ts";

const node = await RedisNode.start(JSON.parse(process.argv[2] ?? "{}") as RedisNodeOptions);
process.stdout.write(`${node.url}\n`);
for await (const _ of process.stdin);
process.exit(0);
