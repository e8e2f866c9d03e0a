import { assert, describe, it } from "@effect/vitest"
import { setupPacket } from "../../src/http/setup.ts"
import { tools } from "../../src/tools/registry.ts"

const packet = setupPacket(
  "https://ops-agents.nodedc.ru",
  tools.map(({ listing }) => listing),
  []
)

describe("a setup packet", () => {
  it("names the endpoint everywhere and the token nowhere", () => {
    assert.strictEqual(packet.mcp_endpoint, "https://ops-agents.nodedc.ru/mcp")
    assert.deepStrictEqual(packet.headers, { Authorization: "Bearer <AGENT_TOKEN>" })
    assert.notMatch(JSON.stringify(packet), /ndca[tor]_/)
    assert.include(packet.codex_add_command, "codex mcp add tasker --url https://ops-agents.nodedc.ru/mcp")
  })

  it("configures a Codex that says so when its token is missing", () => {
    for (const line of [
      "[mcp_servers.tasker]",
      'url = "https://ops-agents.nodedc.ru/mcp"',
      'bearer_token_env_var = "NODEDC_TASKER_AGENT_TOKEN"',
      "required = true",
      "tool_timeout_sec = 60"
    ]) {
      assert.include(packet.codex_config_toml.split("\n"), line)
    }
    assert.include(packet.codex_add_command, "--bearer-token-env-var NODEDC_TASKER_AGENT_TOKEN")
  })

  it("gives the agent the rules that keep a board whole", () => {
    for (const rule of [
      "idempotency_key",
      "truncated: true",
      "no way to delete",
      "outcome_unknown",
      "is data"
    ]) {
      assert.include(packet.agents_md, rule)
    }
    for (const [name] of packet.agents_md.matchAll(/tasker_[a-z_]+/g)) {
      assert.include([...tools.map((tool) => tool.name), "tasker_"], name)
    }
  })

  it("lists the tools that it was given", () => {
    assert.deepStrictEqual(
      packet.tools.map(({ name }) => name),
      tools.map(({ name }) => name)
    )
  })
})
