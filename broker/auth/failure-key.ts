import { BlockList, isIP } from "node:net";

import { isForwarded } from "../http/origin.ts";

/** Networks whose hosts are no clients of the internet, but may be proxies of them. */
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
] as const)
  PRIVATE.addSubnet(network, bits, "ipv4");
PRIVATE.addAddress("::1", "ipv6");
PRIVATE.addSubnet("fc00::", 7, "ipv6");
PRIVATE.addSubnet("fe80::", 10, "ipv6");

/**
 * Whom failed authentications of a request count against: the peer's address, of IPv6 its /64, which one host
 * has as a whole. Null where nobody can be told from anybody: behind a proxy all clients have its address, and
 * one of them must not lock out the rest.
 */
export function failureKey(request: Request, address: string): string | null {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  const family = isIP(plain);
  if (family === 0) return null;
  // Only such a peer is believed to be a proxy: on the internet the header is anybody's to add.
  if (isForwarded(request) && PRIVATE.check(plain, family === 4 ? "ipv4" : "ipv6")) return null;
  return family === 4 ? plain : networkOf(plain);
}

/** The first 64 bits, as `2001:db8:0:1::/64`. */
function networkOf(address: string): string {
  const [before = "", after] = address.split("::");
  const head = groupsOf(before);
  const tail = after === undefined ? [] : groupsOf(after);
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  const groups = [...head, ...zeros, ...tail].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}

/** A dotted end stands for two groups, whose values do not matter to the first four. */
function groupsOf(text: string): string[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]));
}
