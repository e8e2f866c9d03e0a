import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { neighbourhood } from "../../src/domain/Network.ts"
import { clientAddress } from "../../src/http/ClientAddress.ts"

const behindProxies = clientAddress(["10.0.0.0/8", "192.0.2.7", "fd00::/8"])

describe("the client's address", () => {
  it.each([
    ["is the peer's where it says nothing else", "198.51.100.1", undefined, "198.51.100.1"],
    [
      "is the peer's, whatever it claims, where it is no proxy of ours",
      "198.51.100.1",
      "8.8.8.8",
      "198.51.100.1"
    ],
    ["is the hop that a proxy of ours reports", "10.1.2.3", "198.51.100.1", "198.51.100.1"],
    [
      "is the last hop that is not ours, not what the client put before it",
      "10.1.2.3",
      "8.8.8.8, 198.51.100.1, 192.0.2.7",
      "198.51.100.1"
    ],
    ["is the first hop where all of them are ours", "10.1.2.3", "10.9.9.9, 192.0.2.7", "10.9.9.9"],
    ["is the peer's where the header is empty", "10.1.2.3", "", "10.1.2.3"],
    [
      "goes no further than a hop that is no address",
      "10.1.2.3",
      "198.51.100.1, unknown, 192.0.2.7",
      "192.0.2.7"
    ],
    ["goes no further than a host name", "10.1.2.3", "localhost", "10.1.2.3"],
    ["is told from the port that a proxy writes beside it", "10.1.2.3", "198.51.100.1:4711", "198.51.100.1"],
    ["is told from brackets and port in IPv6", "10.1.2.3", "[2001:DB8::1]:4711", "2001:db8::1"],
    ["is IPv4 where it was mapped into IPv6", "::ffff:198.51.100.1", undefined, "198.51.100.1"],
    ["is IPv4 where it was mapped in hexadecimal", "::ffff:c633:6401", undefined, "198.51.100.1"],
    ["is trusted, mapped or not", "::ffff:10.1.2.3", "::ffff:198.51.100.1", "198.51.100.1"],
    ["is spelled in one way", "2001:0DB8:0000::0001", undefined, "2001:db8::1"],
    ["has no zone", "fe80::1%eth0", undefined, "fe80::1"],
    ["is believed of an IPv6 proxy", "fd00::5", "2001:db8::1", "2001:db8::1"],
    ["is not an address where the peer has gone", undefined, "8.8.8.8", "unknown"]
  ])("%s", (_, peer, forwarded, expected) => {
    assert.strictEqual(behindProxies(peer, forwarded), expected)
  })

  it("is the peer's for everyone where no proxy is named", () => {
    assert.strictEqual(clientAddress([])("127.0.0.1", "8.8.8.8"), "127.0.0.1")
  })

  it("is held against a network that was written in mapped form, too", () => {
    assert.strictEqual(clientAddress(["::ffff:172.16.0.0/108"])("172.17.0.1", "8.8.8.8"), "8.8.8.8")
  })

  it("can't be chosen by who sends the header: what stands left of the first stranger changes nothing", () => {
    fc.assert(
      fc.property(fc.string(), fc.ipV4(), (claimed, ours) => {
        const seen = behindProxies(
          "10.0.0.1",
          `${claimed},198.51.100.1, 10.${ours.split(".").slice(1).join(".")}`
        )
        assert.strictEqual(seen, "198.51.100.1")
      })
    )
  })
})

describe("what shares an allowance", () => {
  it.each([
    ["198.51.100.1", "198.51.100.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::", "fe80:0:0:0::/64"],
    ["unknown", "unknown"]
  ])("of %s is %s", (address, expected) => {
    assert.strictEqual(neighbourhood(address), expected)
  })
})
