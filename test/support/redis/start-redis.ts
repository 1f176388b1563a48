import { makeCertificate } from "./certificate.ts";
import { quoted } from "./config-file.ts";
import type { Directives } from "./config-file.ts";
import { PortBlock } from "./port-block.ts";
import { RedisServer } from "./redis-server.ts";
import type { Credentials, ServerSpec } from "./redis-server.ts";

export interface RedisOptions {
  /** Keeps what was written over `kill9` and `restart`. Default: false. */
  readonly appendonly?: boolean;
  /** Past it, writes are refused with OOM. Default: no bound. */
  readonly maxMemoryBytes?: number;
  /** `requirepass`. */
  readonly password?: string;
  /** One more user, whose credentials the URL then carries. `command` stays the default user's. */
  readonly user?: Credentials & {
    /** ACL rules, such as `~tickwire:* &tickwire:* +@all -@dangerous`. */
    readonly rules: string;
  };
  /** Speaks TLS, with a new certificate of its own (`server.certificate`), and nothing else. */
  readonly tls?: boolean;
  /** Any further directives, as in redis.conf. */
  readonly config?: Directives;
}

/** Starts a single redis-server on a free port. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  await using made = new AsyncDisposableStack();
  const ports = made.use(await PortBlock.reserve());
  const server = await RedisServer.start(ports, specOf(options));
  server.own(made.move());
  return server;
}

export interface RedisShards extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
  readonly urls: readonly string[];
}

/** Starts independent servers that know nothing of each other. */
export async function startShards(count: number, options: RedisOptions = {}): Promise<RedisShards> {
  await using made = new AsyncDisposableStack();
  const ports = made.use(await PortBlock.reserve());
  const servers: RedisServer[] = [];
  for (let index = 0; index < count; index++) {
    servers.push(made.use(await RedisServer.start(ports, specOf(options))));
  }
  const kept = made.move();
  return {
    servers,
    urls: servers.map(({ url }) => url),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** What `RedisServer.start` makes of these options. */
export function specOf(options: RedisOptions): ServerSpec {
  const { password, user } = options;
  const tls = options.tls === true ? makeCertificate() : undefined;
  return {
    directives: (port) => ({
      ...(options.appendonly === true ? { appendonly: "yes" } : {}),
      ...(options.maxMemoryBytes === undefined ? {} : { maxmemory: options.maxMemoryBytes }),
      ...(password === undefined ? {} : { requirepass: quoted(password) }),
      ...(user === undefined ? {} : { user: userRule(user) }),
      ...(tls === undefined ? {} : tlsDirectives(port)),
      ...options.config,
    }),
    ...(tls === undefined ? {} : { files: { "tls.crt": tls.certificate, "tls.key": tls.key } }),
    password,
    urlCredentials: user,
    certificate: tls?.certificate,
  };
}

/** File names are relative to the folder, which the server makes its working directory. */
function tlsDirectives(port: number): Directives {
  return {
    port: 0,
    "tls-port": port,
    "tls-cert-file": "tls.crt",
    "tls-key-file": "tls.key",
    "tls-ca-cert-file": "tls.crt",
    "tls-auth-clients": "no",
  };
}

function userRule({ username, password, rules }: NonNullable<RedisOptions["user"]>): string {
  return `${username} on ${quoted(`>${password}`)} ${rules}`;
}
