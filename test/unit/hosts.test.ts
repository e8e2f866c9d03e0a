import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Headers from "effect/http/Headers"
import { rules } from "../../src/http/Hosts.ts"

const { check, checkOrigin } = rules({
  allowedHosts: ["gateway.internal", "10.0.0.5:4100"],
  allowedOrigins: ["https://board.example"],
  publicUrl: "https://ops-agents.nodedc.ru",
  listenOrigin: "http://127.0.0.1:4100"
})

const verdict = (host: string | undefined, origin?: string) =>
  Effect.match(check({ headers: Headers.fromInput({ host, origin }) }), {
    onFailure: ({ reason }) => reason as string,
    onSuccess: () => "fine"
  })

describe("Host and Origin", () => {
  it.effect.each([
    ["ops-agents.nodedc.ru", "fine"],
    ["OPS-agents.nodedc.ru:443", "fine"],
    ["127.0.0.1:4100", "fine"],
    ["127.0.0.1", "fine"],
    ["127.8.9.1:9999", "fine"],
    ["localhost:5173", "fine"],
    ["localhost.", "fine"],
    ["tasker.localhost", "fine"],
    ["[::1]:4100", "fine"],
    ["gateway.internal:1234", "fine"],
    ["10.0.0.5:4100", "fine"],
    ["10.0.0.5:4101", "host"],
    ["evil.example", "host"],
    ["localhost.evil.example", "host"],
    ["127.0.0.1.evil.example", "host"],
    ["127.evil", "host"],
    ["ops-agents.nodedc.ru.evil.example", "host"],
    ["ops-agents.nodedc.ru@evil.example", "host"],
    ["localhost, evil.example", "host"],
    ["", "host"],
    [undefined, "host"]
  ] as const)("Host %s is %s", ([host, expected]) =>
    Effect.map(verdict(host), (found) => assert.strictEqual(found, expected))
  )

  it.effect.each([
    [undefined, "fine"],
    ["https://ops-agents.nodedc.ru", "fine"],
    ["http://127.0.0.1:4100", "fine"],
    ["https://board.example", "fine"],
    ["http://ops-agents.nodedc.ru", "origin"],
    ["http://localhost:4100", "origin"],
    ["http://127.0.0.1:3000", "origin"],
    ["https://board.example.evil.example", "origin"],
    ["null", "origin"],
    ["", "origin"]
  ] as const)("Origin %s is %s", ([origin, expected]) =>
    Effect.map(verdict("localhost:4100", origin), (found) => assert.strictEqual(found, expected))
  )

  it.effect.each([
    [{ host: "host.docker.internal:4100" }, "fine"],
    [{ origin: "https://ops-agents.nodedc.ru" }, "fine"],
    [{ origin: "https://board.example", "sec-fetch-site": "cross-site" }, "fine"],
    [{ "sec-fetch-site": "none" }, "fine"],
    [{ "sec-fetch-site": "same-origin" }, "fine"],
    [{ origin: "https://evil.example" }, "origin"],
    [{ origin: "http://localhost:4100" }, "origin"],
    [{ origin: "null" }, "origin"],
    [{ origin: "" }, "origin"],
    [{ origin: "https://board.example, https://evil.example" }, "origin"],
    [{ "sec-fetch-site": "cross-site" }, "origin"],
    [{ "sec-fetch-site": "none, cross-site" }, "origin"]
  ] as const)("of a request with %o to the REST API are %s", ([headers, expected]) =>
    Effect.map(
      Effect.match(checkOrigin({ headers: Headers.fromInput(headers) }), {
        onFailure: ({ message, reason }) => {
          assert.include(message, "ALLOWED_ORIGINS")
          return reason as string
        },
        onSuccess: () => "fine"
      }),
      (found) => assert.strictEqual(found, expected)
    )
  )
})
