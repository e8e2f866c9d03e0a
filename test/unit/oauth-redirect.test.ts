import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isRegistered, mayRedirectTo, withParameters } from "../../src/domain/OAuthRedirect.ts"

const hosts = ["vscode.dev", "app.example:8443"]

describe("a redirect URI", () => {
  it.each([
    "http://127.0.0.1/callback",
    "http://127.0.0.1:51789/callback",
    "http://127.0.0.1:65535",
    "http://[::1]:9/cb?from=codex",
    "http://localhost:3000/oauth/callback",
    "https://vscode.dev/redirect",
    "https://vscode.dev:443/redirect",
    "https://app.example:8443/cb"
  ])("may be %s", (uri) => {
    assert.isTrue(mayRedirectTo(uri, hosts))
  })

  it.each([
    ["another host", "https://evil.example/callback"],
    ["a named host without TLS", "http://vscode.dev/redirect"],
    ["a named host on another port", "https://vscode.dev:8443/redirect"],
    ["a host named for one port, on the usual one", "https://app.example/cb"],
    ["a subdomain of a named host", "https://x.vscode.dev/redirect"],
    ["a host that begins like a named one", "https://vscode.dev.evil.example/"],
    ["loopback over TLS", "https://127.0.0.1/callback"],
    ["another loopback address", "http://127.0.0.2/callback"],
    ["a short loopback address", "http://127.1/callback"],
    ["a loopback address as a number", "http://2130706433/callback"],
    ["a loopback address in octal", "http://0177.0.0.1/callback"],
    ["an IPv6 loopback address at length", "http://[0:0:0:0:0:0:0:1]/callback"],
    ["a mapped address", "http://[::ffff:127.0.0.1]/callback"],
    ["every address", "http://0.0.0.0/callback"],
    ["a name under localhost", "http://evil.localhost/callback"],
    ["localhost with a dot", "http://localhost./callback"],
    ["userinfo", "http://user@127.0.0.1/callback"],
    ["userinfo that looks like a host", "http://127.0.0.1:80@evil.example/"],
    ["a backslash", "http://127.0.0.1\\@evil.example/"],
    ["a fragment", "http://127.0.0.1/callback#code"],
    ["an empty fragment", "http://127.0.0.1/callback#"],
    ["an encoded dot", "http://127.0.0.1/%2e%2e/callback"],
    ["an encoded host", "http://%31%32%37.0.0.1/"],
    ["a dotted path", "http://127.0.0.1/a/../callback"],
    ["a newline", "http://127.0.0.1/callback\r\nSet-Cookie: a=b"],
    ["a tab", "http://127.0.0.1/\tcallback"],
    ["a space before", " http://127.0.0.1/callback"],
    ["capital letters", "HTTP://127.0.0.1/callback"],
    ["a wildcard", "http://*/callback"],
    ["a scheme of its own", "cursor://callback"],
    ["a script", "javascript:alert(1)"],
    ["data", "data:text/html,x"],
    ["no scheme", "//127.0.0.1/callback"],
    ["a port that is none", "http://127.0.0.1:99999/callback"],
    ["a port of zero", "http://127.0.0.1:0/callback"],
    ["a look-alike letter", "https://vsсode.dev/redirect"],
    ["more than 512 characters", `http://127.0.0.1/${"a".repeat(512)}`],
    ["nothing", ""]
  ])("may not be one with %s", (_, uri) => {
    assert.isFalse(mayRedirectTo(uri, hosts))
  })

  it("that is let through leads, as browsers read it, to loopback or to a named host", () => {
    const pieces = fc.constantFrom(
      ..."http https :// / // 127.0.0.1 evil.example @ : \\ # ? % . .. 80 [::1] localhost vscode.dev x".split(
        " "
      )
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), fc.string(), (parts, end) => {
        const uri = parts.join("") + end
        if (!mayRedirectTo(uri, hosts)) return
        const { hash, hostname, password, username } = new URL(uri)
        assert.include(["127.0.0.1", "[::1]", "localhost", "vscode.dev"], hostname)
        assert.strictEqual(username + password + hash, "")
      }),
      { numRuns: 5000 }
    )
  })
})

describe("a redirect URI that is asked for", () => {
  const registered = ["http://127.0.0.1/callback", "http://localhost:3000/cb", "https://vscode.dev/redirect"]

  it("is one that was registered, on whatever port of a loopback address", () => {
    for (const asked of [
      ...registered,
      "http://127.0.0.1:1/callback",
      "http://127.0.0.1:65535/callback",
      "http://localhost/cb"
    ]) {
      assert.isTrue(isRegistered(asked, registered), asked)
    }
  })

  it("is the same to the letter in all else", () => {
    for (const asked of [
      "http://localhost:1/callback",
      "http://[::1]:1/callback",
      "http://127.0.0.1:1/callback/",
      "http://127.0.0.1:1/Callback",
      "http://127.0.0.1:1/callback?x=1",
      "http://127.0.0.1:1/cb",
      "https://vscode.dev:443/redirect",
      "https://vscode.dev/redirect/x"
    ]) {
      assert.isFalse(isRegistered(asked, registered), asked)
    }
  })

  it("keeps its own query, and none of what is added can end a header", () => {
    const to = withParameters("http://127.0.0.1:1/cb?a=b", {
      code: "x",
      state: "1\r\nSet-Cookie: a=b&c=d#",
      iss: undefined
    })
    const { searchParams } = new URL(to)
    assert.deepStrictEqual([...searchParams.keys()], ["a", "code", "state"])
    assert.strictEqual(searchParams.get("state"), "1\r\nSet-Cookie: a=b&c=d#")
    assert.match(to, /^[\x21-\x7e]+$/)
  })
})
