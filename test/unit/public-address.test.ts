import { assert, describe, it } from "@effect/vitest"
import { isPublicAddress } from "../../src/domain/PublicAddress.ts"

describe("an address that may be asked for a client's document", () => {
  it.each(["1.1.1.1", "104.18.32.47", "172.32.0.1", "2606:4700::6812:202f", "2a00:1450:4001:80b::200e"])(
    "may be %s",
    (address) => {
      assert.isTrue(isPublicAddress(address))
    }
  )

  it.each([
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:1.1.1.1",
    "64:ff9b::7f00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "ff02::1",
    "localhost",
    ""
  ])("may not be %s", (address) => {
    assert.isFalse(isPublicAddress(address))
  })
})
