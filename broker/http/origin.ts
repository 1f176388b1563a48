import { isLoopbackHost } from "../config/checks.ts";
import type { BrokerConfig } from "../config/config.ts";

type OriginConfig = Pick<BrokerConfig, "allowedOrigins" | "host">;

/** Headers by which proxies tell for whom they ask. */
const FORWARDING_HEADERS = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/** Whether the request says that a proxy passed it on; anybody can say so. */
export function isForwarded({ headers }: Request): boolean {
  return FORWARDING_HEADERS.some((name) => headers.has(name));
}

function hostOf(origin: string): URL | null {
  return URL.canParse(origin) ? new URL(origin) : null;
}

/**
 * The rule of allowedOrigins, against pages of other sites that would use a visitor's network or machine
 * as their own. A request without an Origin header comes from no browser and is let through: its token
 * decides.
 */
export function createOriginRule(
  config: OriginConfig,
): (origin: string | null, request: Request) => boolean {
  const { allowedOrigins } = config;
  const isLoopbackBound = isLoopbackHost(config.host);
  return (origin, request) => {
    if (origin === null || allowedOrigins.includes("*")) return true;
    const url = hostOf(origin);
    if (url === null) return false;
    if (allowedOrigins.length > 0) return allowedOrigins.includes(url.origin);
    if (isLoopbackHost(url.hostname)) return true;
    return isLoopbackBound && url.host === request.headers.get("host")?.toLowerCase();
  };
}

/**
 * Whether a request comes from a program on this machine, and not from elsewhere through a proxy, a page
 * of another site, or a host name that somebody pointed at this machine (DNS rebinding).
 */
export function isLocalRequest(request: Request, address: string): boolean {
  const { headers } = request;
  if (!isLoopbackHost(address)) return false;
  if (isForwarded(request)) return false;
  const host = hostOf(`http://${headers.get("host") ?? ""}`);
  if (host === null || !isLoopbackHost(host.hostname)) return false;
  const site = headers.get("sec-fetch-site");
  if (site === "cross-site") return false;
  const origin = headers.get("origin");
  if (origin === null) return true;
  return isLoopbackHost(hostOf(origin)?.hostname ?? "");
}
