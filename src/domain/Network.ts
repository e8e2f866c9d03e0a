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
