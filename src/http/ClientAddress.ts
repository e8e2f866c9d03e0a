import { isIP } from "node:net"
import { Context } from "effect"
import { within } from "../domain/Network.ts"

/** Says whose a request is: the address of the peer, and what `X-Forwarded-For` holds, if it came along. */
export type ClientAddress = (peer: string | undefined, forwarded: string | undefined) => string

/** Stands for a peer that was gone before its address could be read. */
const nobody = "unknown"

/** Hops that are looked at, from the last one on: more proxies than anyone has. */
const mostHops = 32

/** The address that the request which this fiber works on came from: what `clientAddress` makes of it. */
export const CurrentClient = Context.Reference<string>("tasker-codex-api/http/CurrentClient", {
  defaultValue: () => nobody
})

/**
 * The address that a request is taken to come from: the peer's, or, where the peer is one of `trusted`,
 * the last hop of `X-Forwarded-For` that is not. What stands left of that hop was written by whoever sent
 * it and is not looked at; a hop that is no address ends the search, since nobody vouches for what is
 * beyond it. Always in one spelling: IPv4 where it was mapped into IPv6 (RFC 4291 section 2.5.5.2), IPv6
 * as RFC 5952 has it, without a zone.
 */
export const clientAddress = (trusted: ReadonlyArray<string>): ClientAddress => {
  const isProxy = within(trusted)
  return (peer, forwarded) => {
    let client = normalised(peer ?? "")
    if (client === undefined) return nobody
    if (forwarded === undefined || !isProxy(client)) return client
    for (const hop of forwarded.split(",").slice(-mostHops).reverse()) {
      const address = normalised(withoutPort(hop.trim()))
      if (address === undefined) return client
      client = address
      if (!isProxy(client)) return client
    }
    return client
  }
}

/** `192.0.2.1:4711` and `[2001:db8::1]:4711`, as some proxies write a hop; an address alone stays as it is. */
const withoutPort = (hop: string): string => {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(hop) ?? []
  return bracketed ?? plain ?? hop
}

const normalised = (text: string): string | undefined => {
  const [address = ""] = text.split("%")
  switch (isIP(address)) {
    case 4:
      // Joined anew: a part of a header would keep the whole header alive wherever it is remembered.
      return address.split(".").map(Number).join(".")
    case 6: {
      // The URL standard's serialiser writes IPv6 in the one form of RFC 5952.
      const written = new URL(`http://[${address}]`).hostname.slice(1, -1)
      const [, high = "", low = ""] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(written) ?? []
      return high === "" ? written : dotted(Number.parseInt(high, 16), Number.parseInt(low, 16))
    }
    default:
      return undefined
  }
}

const dotted = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join(".")
