import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import { handshakeRevisions } from "../../src/domain/McpRevision.ts"
import { decode } from "../../src/mcp/decode.ts"
import { ErrorCode, type Message, type MirroredHeaders } from "../../src/mcp/Protocol.ts"

const revisionKey = "io.modelcontextprotocol/protocolVersion"
const capabilitiesKey = "io.modelcontextprotocol/clientCapabilities"

const noHeaders: MirroredHeaders = { revision: undefined, method: undefined, name: undefined }
const claim = (revision: unknown = "2026-07-28", capabilities: unknown = {}) => ({
  [revisionKey]: revision,
  [capabilitiesKey]: capabilities
})

const handshake = (
  method: string,
  params?: unknown,
  headers: Partial<MirroredHeaders> = {},
  id: unknown = 1
) =>
  decode(
    { jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) },
    { ...noHeaders, ...headers }
  )

const stateless = (
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  headers: Partial<MirroredHeaders> = {},
  meta: unknown = claim()
) =>
  decode(
    { jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } },
    {
      revision: "2026-07-28",
      method,
      name: typeof params.name === "string" ? params.name : undefined,
      ...headers
    }
  )

const refusal = (message: Message) => {
  assert.strictEqual(message.kind, "refused")
  return message.kind === "refused"
    ? { code: message.code, status: message.status, id: message.id }
    : undefined
}

const asked = (message: Message) => {
  assert.strictEqual(message.kind, "request")
  return message.kind === "request" ? message.asked : undefined
}

describe("a JSON-RPC message", () => {
  it.each<[string, unknown]>([
    ["null", null],
    ["a string", "ping"],
    ["a number", 7],
    ["an object without jsonrpc", { id: 1, method: "ping" }],
    ["another version of JSON-RPC", { jsonrpc: "1.0", id: 1, method: "ping" }],
    ["a method that is no string", { jsonrpc: "2.0", id: 1, method: 7 }],
    ["no method at all", { jsonrpc: "2.0", id: 1 }],
    ["params that are an array", { jsonrpc: "2.0", id: 1, method: "ping", params: [] }],
    ["params that are null", { jsonrpc: "2.0", id: 1, method: "ping", params: null }],
    ["an empty batch", []],
    ["a batch of one", [{ jsonrpc: "2.0", id: 1, method: "ping" }]]
  ])("is refused as -32600 with HTTP 400 where it is %s", (_, body) => {
    const found = refusal(decode(body, noHeaders))
    assert.deepStrictEqual([found?.code, found?.status], [ErrorCode.invalidRequest, 400])
  })

  it.each<[unknown]>([[null], [1.5], [true], [{}], [[1]], [2 ** 53], [Number.MAX_VALUE]])(
    "is refused where its id is %j, which could not be echoed",
    (id) => {
      assert.deepStrictEqual(refusal(handshake("ping", undefined, {}, id)), {
        code: ErrorCode.invalidRequest,
        status: 400,
        id: null
      })
    }
  )

  it.each<[string | number]>([["7"], [""], [0], [-3], [Number.MAX_SAFE_INTEGER], ["\ud800"]])(
    "keeps its id %j",
    (id) => {
      const message = handshake("ping", undefined, {}, id)
      assert.isTrue(message.kind === "request" && message.id === id)
      assert.strictEqual(refusal(handshake("nonsense", undefined, {}, id))?.id, id)
    }
  )

  it("is taken and dropped where it is a client's response", () => {
    assert.strictEqual(decode({ jsonrpc: "2.0", id: 1, result: {} }, noHeaders).kind, "notice")
    assert.strictEqual(
      decode({ jsonrpc: "2.0", id: 1, error: { code: 1, message: "" } }, noHeaders).kind,
      "notice"
    )
  })

  it("is never anything but one of the three, whatever JSON comes", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.jsonValue(), FastCheck.string(), (value, header) => {
        const bodies = [
          value,
          { jsonrpc: "2.0", id: 1, method: "tools/call", params: value },
          { jsonrpc: "2.0", id: value, method: header }
        ]
        for (const body of bodies) {
          const message = decode(body, { revision: header, method: header, name: header })
          assert.include(["request", "notice", "refused"], message.kind)
        }
      })
    )
  })
})

describe("a notification", () => {
  const notify = (method: string, headers: Partial<MirroredHeaders> = {}, meta?: unknown) =>
    decode(
      { jsonrpc: "2.0", method, ...(meta === undefined ? {} : { params: { _meta: meta } }) },
      { ...noHeaders, ...headers }
    )

  it.each(["notifications/initialized", "notifications/cancelled", "notifications/anything"])(
    "%s is taken and dropped",
    (method) => {
      for (const revision of [undefined, ...handshakeRevisions, "2026-07-28"]) {
        assert.strictEqual(notify(method, { revision }).kind, "notice")
      }
      assert.strictEqual(notify(method, {}, claim()).kind, "notice")
    }
  )

  it("is refused where it is a request that lost its id, so that no call seems to have been made", () => {
    assert.deepStrictEqual(refusal(notify("tools/call")), {
      code: ErrorCode.invalidRequest,
      status: 400,
      id: null
    })
  })

  it("is refused where its revision is unknown, or its headers say otherwise", () => {
    assert.strictEqual(
      refusal(notify("notifications/initialized", { revision: "1999-01-01" }))?.code,
      ErrorCode.unsupportedProtocolVersion
    )
    assert.strictEqual(
      refusal(notify("notifications/x", { revision: "2025-11-25" }, claim()))?.code,
      ErrorCode.headerMismatch
    )
    assert.strictEqual(
      refusal(notify("notifications/x", { revision: "2026-07-28", method: "notifications/y" }))?.code,
      ErrorCode.headerMismatch
    )
  })
})

describe("a request of a revision with a handshake", () => {
  it.each([undefined, ...handshakeRevisions])("is served with MCP-Protocol-Version %s", (revision) => {
    assert.deepStrictEqual(asked(handshake("ping", undefined, { revision })), { method: "ping" })
    assert.deepStrictEqual(asked(handshake("tools/list", {}, { revision })), { method: "tools/list" })
    assert.deepStrictEqual(asked(handshake("tools/call", { name: "a", arguments: { b: 1 } }, { revision })), {
      method: "tools/call",
      name: "a",
      args: { b: 1 }
    })
  })

  it("agrees on the revision that initialize asks for, else on the newest that has a handshake", () => {
    for (const wanted of handshakeRevisions) {
      assert.deepStrictEqual(asked(handshake("initialize", { protocolVersion: wanted })), {
        method: "initialize",
        revision: wanted
      })
    }
    for (const wanted of ["2024-11-05", "2026-07-28", "2099-01-01", ""]) {
      assert.deepStrictEqual(asked(handshake("initialize", { protocolVersion: wanted })), {
        method: "initialize",
        revision: "2025-11-25"
      })
    }
    assert.deepStrictEqual(refusal(handshake("initialize", {})), {
      code: ErrorCode.invalidParams,
      status: 200,
      id: 1
    })
  })

  it("is refused with HTTP 400 and the revisions there are where its own is unknown", () => {
    const message = handshake("tools/list", {}, { revision: "2024-11-05" })
    assert.deepStrictEqual(refusal(message), {
      code: ErrorCode.unsupportedProtocolVersion,
      status: 400,
      id: 1
    })
    assert.deepStrictEqual(message.kind === "refused" && message.data, {
      supported: ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
      requested: "2024-11-05"
    })
  })

  it.each([
    "server/discover",
    "resources/list",
    "prompts/list",
    "logging/setLevel",
    "constructor",
    "__proto__",
    ""
  ])("is answered -32601 within HTTP 200 for the method %j", (method) =>
    assert.deepStrictEqual(refusal(handshake(method)), { code: ErrorCode.methodNotFound, status: 200, id: 1 })
  )

  it("is held to no header that its revision does not know", () => {
    assert.deepStrictEqual(asked(handshake("ping", undefined, { method: "tools/call", name: "x" })), {
      method: "ping"
    })
  })

  it("has a cursor refused, for none was handed out, and a call without a name", () => {
    assert.deepStrictEqual(asked(handshake("tools/list", { cursor: null })), { method: "tools/list" })
    for (const cursor of ["", "abc", 7]) {
      assert.deepStrictEqual(refusal(handshake("tools/list", { cursor })), {
        code: ErrorCode.invalidParams,
        status: 200,
        id: 1
      })
    }
    for (const params of [undefined, {}, { name: 7 }]) {
      assert.deepStrictEqual(refusal(handshake("tools/call", params)), {
        code: ErrorCode.invalidParams,
        status: 200,
        id: 1
      })
    }
  })

  it("hands odd arguments on as they are, and none as none", () => {
    for (const [given, args] of [
      [undefined, {}],
      [null, {}],
      [[1], [1]],
      ["x", "x"],
      [7, 7]
    ]) {
      assert.deepStrictEqual(asked(handshake("tools/call", { name: "a", arguments: given })), {
        method: "tools/call",
        name: "a",
        args
      })
    }
  })
})

describe("a request of 2026-07-28", () => {
  it("is served where _meta and headers agree", () => {
    assert.deepStrictEqual(asked(stateless("server/discover")), { method: "server/discover" })
    assert.deepStrictEqual(asked(stateless("tools/list")), { method: "tools/list" })
    assert.deepStrictEqual(asked(stateless("tools/call", { name: "a" })), {
      method: "tools/call",
      name: "a",
      args: {}
    })
  })

  it.each<[string, unknown]>([
    ["a revision that is no string", claim(7)],
    ["a revision that is null", claim(null)],
    ["no capabilities", { [revisionKey]: "2026-07-28" }],
    ["capabilities that are no object", claim("2026-07-28", [])]
  ])("is refused as -32602 with HTTP 400 where _meta has %s", (_, meta) => {
    assert.deepStrictEqual(refusal(stateless("tools/list", {}, {}, meta)), {
      code: ErrorCode.invalidParams,
      status: 400,
      id: 1
    })
  })

  it("is refused as -32602 where the header names the revision and _meta does not", () => {
    for (const params of [
      undefined,
      {},
      { _meta: {} },
      { _meta: { [capabilitiesKey]: {} } },
      { _meta: "x" }
    ]) {
      assert.deepStrictEqual(refusal(handshake("tools/list", params, { revision: "2026-07-28" })), {
        code: ErrorCode.invalidParams,
        status: 400,
        id: 1
      })
    }
  })

  it.each<[string, Partial<MirroredHeaders>]>([
    ["MCP-Protocol-Version is missing", { revision: undefined }],
    ["MCP-Protocol-Version names another", { revision: "2025-11-25" }],
    ["Mcp-Method is missing", { method: undefined }],
    ["Mcp-Method names another", { method: "tools/list" }],
    ["Mcp-Method differs in case", { method: "TOOLS/CALL" }],
    ["Mcp-Name is missing", { name: undefined }],
    ["Mcp-Name names another", { name: "b" }],
    ["Mcp-Name is base64 of another", { name: "=?base64?Yg==?=" }],
    ["Mcp-Name is base64 without its padding", { name: "=?base64?YQ?=" }],
    ["Mcp-Name is no base64", { name: "=?base64?!!?=" }]
  ])("is refused as -32020 with HTTP 400 where %s", (_, headers) => {
    assert.deepStrictEqual(refusal(stateless("tools/call", { name: "a" }, headers)), {
      code: ErrorCode.headerMismatch,
      status: 400,
      id: 1
    })
  })

  it("reads a name that the header carries in base64", () => {
    assert.strictEqual(stateless("tools/call", { name: "a" }, { name: "=?base64?YQ==?=" }).kind, "request")
    assert.strictEqual(
      stateless("tools/call", { name: "имя" }, { name: "=?base64?0LjQvNGP?=" }).kind,
      "request"
    )
    assert.strictEqual(
      refusal(stateless("tools/call", { name: "\ufffd" }, { name: "=?base64?/w==?=" }))?.code,
      ErrorCode.headerMismatch
    )
  })

  it("is refused as -32022 with the stateless revisions where it claims one that is not served", () => {
    for (const requested of ["v999.0.0", "2027-01-01", "2025-11-25"]) {
      const message = stateless("server/discover", {}, { revision: requested }, claim(requested))
      assert.deepStrictEqual(refusal(message), {
        code: ErrorCode.unsupportedProtocolVersion,
        status: 400,
        id: 1
      })
      assert.deepStrictEqual(message.kind === "refused" && message.data, {
        supported: ["2026-07-28"],
        requested
      })
    }
  })

  it.each([
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "subscriptions/listen",
    "unknown/method"
  ])("is answered -32601 with HTTP 404 for the method %s", (method) =>
    assert.deepStrictEqual(refusal(stateless(method)), { code: ErrorCode.methodNotFound, status: 404, id: 1 })
  )

  it("can't shake hands under a header of its revision", () => {
    const message = handshake("initialize", { protocolVersion: "2025-11-25" }, { revision: "2026-07-28" })
    assert.deepStrictEqual(refusal(message), { code: ErrorCode.headerMismatch, status: 400, id: 1 })
  })

  it("has faults of a method's params answered within HTTP 200", () => {
    assert.deepStrictEqual(refusal(stateless("tools/call")), {
      code: ErrorCode.invalidParams,
      status: 200,
      id: 1
    })
    assert.deepStrictEqual(refusal(stateless("tools/list", { cursor: "x" })), {
      code: ErrorCode.invalidParams,
      status: 200,
      id: 1
    })
  })

  it("repeats no more than a line of what it was sent", () => {
    const message = stateless("x".repeat(100_000))
    assert.isTrue(message.kind === "refused" && message.message.length < 300)
  })
})
