import { BlockList, isIPv4, isIPv6 } from "node:net"

/**
 * Addresses of the public internet: those that IANA's special-purpose registries (RFC 6890) do not keep for
 * anything else. Whatever is fetched by an address that a stranger named is fetched from these alone, else a
 * stranger could have the gateway ask its own machine or network.
 */

const special = new BlockList()
for (const network of [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4"
]) {
  const [address = "", prefix] = network.split("/")
  special.addSubnet(address, Number(prefix), "ipv4")
}

/** Of IPv6 only 2000::/3 is given out at all: mapped, translated, local and multicast addresses lie outside of it. */
const given = new BlockList()
given.addSubnet("2000::", 3, "ipv6")
for (const network of ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"]) {
  const [address = "", prefix] = network.split("/")
  special.addSubnet(address, Number(prefix), "ipv6")
}

export const isPublicAddress = (address: string): boolean => {
  if (isIPv4(address)) return !special.check(address, "ipv4")
  return isIPv6(address) && given.check(address, "ipv6") && !special.check(address, "ipv6")
}
