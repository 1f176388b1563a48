import { exportJWK, generateKeyPair } from "jose";
import type { CryptoKey, JWK } from "jose";

export interface SigningKey {
  readonly privateKey: CryptoKey;
  /** Public, with kid and alg. */
  readonly jwk: JWK;
}

/** A new key pair; `kid` null leaves it out. */
export async function signingKey(alg: string, kid: string | null): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), alg, use: "sig" };
  return { privateKey, jwk: kid === null ? jwk : { ...jwk, kid } };
}

/** An identity provider's key endpoint, on a free port, that can fail in every way. */
export class JwksServer implements AsyncDisposable {
  readonly #server: Bun.Server<undefined>;
  #answer: () => Response | Promise<Response> = () => new Response("", { status: 500 });
  #arrivals: (() => void)[] = [];
  /** Requests that came. */
  requests = 0;

  constructor() {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => {
        this.requests++;
        for (const arrived of this.#arrivals.splice(0)) arrived();
        return this.#answer();
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/keys`;
  }

  /** Publishes these keys from now on. */
  publish(...keys: readonly SigningKey[]): void {
    this.answer(() => Response.json({ keys: keys.map(({ jwk }) => jwk) }));
  }

  answer(answer: () => Response | Promise<Response>): void {
    this.#answer = answer;
  }

  /** Resolves when the next request comes. */
  nextRequest(): Promise<void> {
    return new Promise((resolve) => this.#arrivals.push(resolve));
  }

  /** Ends the endpoint: connections are refused from now on. */
  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
