import { createHmac } from "node:crypto";

/** Far longer than any run, far shorter than the broker's greatest token age. */
const TOKEN_LIFETIME_S = 3600;

/** An HS256 token for one benchmark connection: it may publish and subscribe under `bench.`. */
export function benchToken(user: string, secret: string, nowMs = Date.now()): string {
  const issuedAtS = Math.floor(nowMs / 1000);
  const claims = {
    sub: user,
    iat: issuedAtS,
    exp: issuedAtS + TOKEN_LIFETIME_S,
    tickwire: { publish: ["bench.>"], subscribe: ["bench.>"] },
  };
  const body = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
