import { assert, it } from "@effect/vitest"
import { protocolVersions } from "../../src/http/api/MetaHandlers.ts"
import { handshakeRevisions, statelessRevisions } from "../../src/mcp/Protocol.ts"

it("the capabilities name the revisions of MCP that /mcp speaks", () => {
  assert.deepStrictEqual([...protocolVersions], [...statelessRevisions, ...handshakeRevisions])
})
