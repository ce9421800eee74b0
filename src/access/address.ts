import { isIPv6 } from "node:net";

/** Groups of four hex digits of an IPv6 prefix that one customer has: 64 bits. */
const PREFIX_GROUPS = 4;

/**
 * A remote address as a client: an IPv4 address itself, of IPv6 the /64, since whoever has one address there has all of them.
 * An IPv4 address in IPv6 dress is the IPv4 address.
 */
export function clientOfAddress(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(Math.max(0, zeros)).fill("0"), ...right].slice(0, PREFIX_GROUPS);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
