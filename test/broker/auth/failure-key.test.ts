import { describe, expect, test } from "bun:test";
import { BlockList } from "node:net";

import { failureKey } from "../../../broker/auth/failure-key.ts";
import { announceSeed, Random } from "../../support/random.ts";

function keyOf(address: string, headers: Record<string, string> = {}): string | null {
  return failureKey(new Request("http://broker.example/", { headers }), address);
}

/** The same address in one of its spellings: groups with or without leading zeros, a run of zeros left out. */
function spelled(groups: readonly number[], random: Random): string {
  const texts = groups.map((group) =>
    random.chance(0.3) ? group.toString(16).padStart(4, "0") : group.toString(16),
  );
  const start = groups.indexOf(0);
  if (start < 0 || random.chance(0.3)) return texts.join(":");
  let end = start;
  while (end < 8 && groups[end] === 0) end++;
  return `${texts.slice(0, start).join(":")}::${texts.slice(end).join(":")}`;
}

describe("the key of failures", () => {
  test("of IPv4 is the address, in whatever form it is told", () => {
    expect(keyOf("203.0.113.5")).toBe("203.0.113.5");
    expect(keyOf("::ffff:203.0.113.5")).toBe("203.0.113.5");
    expect(keyOf("203.0.113.6")).toBe("203.0.113.6");
  });

  test("of IPv6 is its /64", () => {
    expect(keyOf("2001:db8:0:1::5")).toBe("2001:db8:0:1::/64");
    expect(keyOf("2001:DB8::1:ffff:0:0:1")).toBe("2001:db8:0:1::/64");
    expect(keyOf("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
    expect(keyOf("::1")).toBe("0:0:0:0::/64");
    expect(keyOf("64:ff9b::203.0.113.5")).toBe("64:ff9b:0:0::/64");
  });

  test("is shared by two IPv6 addresses exactly when one /64 holds both", () => {
    const random = new Random(announceSeed("failure-key"));
    const group = (): number => (random.chance(0.5) ? 0 : random.between(0, 0xffff));
    let shared = 0;
    for (let i = 0; i < 2000; i++) {
      const one = [0x2001, ...Array.from({ length: 7 }, group)];
      const from = random.below(8);
      const other = one.map((value, index) => (index < from ? value : group()));
      const [oneText, otherText] = [spelled(one, random), spelled(other, random)];
      const network = new BlockList();
      network.addSubnet(oneText, 64, "ipv6");
      const isShared = network.check(otherText, "ipv6");
      if (isShared) shared++;
      expect([oneText, otherText, keyOf(oneText) === keyOf(otherText)]).toEqual([
        oneText,
        otherText,
        isShared,
      ]);
    }
    expect(shared).toBeGreaterThan(500);
    expect(shared).toBeLessThan(1900);
  });

  test("is nobody's behind a proxy, which only a peer of a private network is taken for", () => {
    const headers = { "x-forwarded-for": "203.0.113.5" };
    const proxies = ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1"];
    for (const address of [...proxies, "::1", "::ffff:10.0.0.1", "fd00::1", "fe80::1%eth0"]) {
      expect([address, keyOf(address, headers)]).toEqual([address, null]);
      expect(keyOf(address)).not.toBeNull();
    }
    for (const address of ["203.0.113.9", "172.32.0.1", "2001:db8::1", "::ffff:203.0.113.9"]) {
      expect([address, keyOf(address, headers)]).toEqual([address, keyOf(address)]);
      expect(keyOf(address)).not.toBeNull();
    }
  });

  test("is nobody's where the system names no address", () => {
    expect(keyOf("")).toBeNull();
  });
});
