/** The package's `tickwire/protocol` entry: everything needed to write a client or a tool. */
export * from "./binary-codec.ts";
export * from "./channel-name.ts";
export * from "./codec.ts";
export * from "./codes.ts";
export * from "./command.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./json-codec.ts";
export * from "./limits.ts";
export * from "./op.ts";
export * from "./position.ts";
export * from "./push.ts";
export * from "./version.ts";
