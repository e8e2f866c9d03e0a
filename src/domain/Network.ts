import { BlockList, isIP, isIPv4 } from "node:net"

/** Whom an address stands for. All take an address as `http/ClientAddress.ts` spells it. */

/**
 * What shares one allowance: an IPv4 address, or the /64 of an IPv6 one, since a single host has all of that to
 * choose from (RFC 4291 section 2.5.4).
 */
export const neighbourhood = (address: string): string =>
  address.includes(":") ? `${groupsOf(address).slice(0, 4).join(":")}::/64` : address

/**
 * Where one stranger may have many addresses: the /24 of an IPv4 address, or the /48 of an IPv6 one, which is
 * the most that a site is given (RFC 6177).
 */
export const networkOf = (address: string): string => {
  if (address.includes(":")) return `${groupsOf(address).slice(0, 3).join(":")}::/48`
  return address.includes(".") ? `${address.split(".").slice(0, 3).join(".")}.0/24` : address
}

/** Where one stranger may have many networks: a /16, or the /32 that a provider is given of IPv6 at least. */
export const blockOf = (address: string): string => {
  if (address.includes(":")) return `${groupsOf(address).slice(0, 2).join(":")}::/32`
  return address.includes(".") ? `${address.split(".").slice(0, 2).join(".")}.0.0/16` : address
}

/** The eight groups of an IPv6 address. */
const groupsOf = (address: string): ReadonlyArray<string> => {
  const [head = "", tail] = address.split("::")
  const groups = head === "" ? [] : head.split(":")
  if (tail !== undefined) {
    const after = tail === "" ? [] : tail.split(":")
    while (groups.length + after.length < 8) groups.push("0")
    groups.push(...after)
  }
  return groups
}

/**
 * True for a name or address that leads to the machine itself (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3).
 * Takes a host as `URL.hostname` spells it; an IPv6 address also without its brackets.
 */
export const isLoopback = (host: string): boolean =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  host === "[::1]" ||
  host === "::1" ||
  (isIPv4(host) && host.startsWith("127."))

/**
 * Returns a test of whether an address lies in one of these networks. Takes addresses and networks in CIDR notation;
 * an IPv4 address lies in an IPv6 network that holds its mapped form (RFC 4291 section 2.5.5.2).
 */
export const within = (networks: ReadonlyArray<string>): ((address: string) => boolean) => {
  const rules = new BlockList()
  for (const network of networks) {
    const [address = "", prefix] = network.split("/")
    const family = isIPv4(address) ? "ipv4" : "ipv6"
    if (prefix === undefined) rules.addAddress(address, family)
    else rules.addSubnet(address, Number(prefix), family)
  }
  // Mapped, an IPv4 address is held against the rules of both families.
  return (address) =>
    isIP(address) !== 0 && rules.check(isIPv4(address) ? `::ffff:${address}` : address, "ipv6")
}

/** The widest networks that a site has of its own: 10.0.0.0/8 and fc00::/7 (RFC 1918, RFC 4193). */
const widest = { ipv4: 8, ipv6: 7 } as const

/**
 * True for a network wider than any that a site has of its own, so that it holds addresses of strangers. An IPv4
 * network also counts as one if it is spelled as IPv6 (`::ffff:0:0/96`). Takes an address or a network in CIDR
 * notation that is well-formed.
 */
export const isWide = (network: string): boolean => {
  const [address = "", prefix] = network.split("/")
  if (prefix === undefined) return false
  const length = Number(prefix)
  if (isIPv4(address)) return length < widest.ipv4
  const holdsMapped = within([network])("0.0.0.0") || within(["::ffff:0:0/96"])(address)
  return length < (holdsMapped ? 96 + widest.ipv4 : widest.ipv6)
}
