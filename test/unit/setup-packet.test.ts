import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { keyWords } from "../../src/domain/IdempotencyKey.ts"
import { setupPacket } from "../../src/http/setup.ts"
import { tools } from "../../src/tools/registry.ts"

const endpoint = "https://ops-agents.nodedc.ru/mcp"
const variable = "NODEDC_TASKER_AGENT_TOKEN"
const listings = tools.map(({ listing }) => listing)
const english = setupPacket("https://ops-agents.nodedc.ru", listings, [])
const russian = setupPacket("https://ops-agents.nodedc.ru", listings, [], "ru")

/** What a POSIX shell makes of a command: its words, with no variable set. */
const words = (command: string): ReadonlyArray<string> =>
  execFileSync("sh", ["-c", `printf '%s\\n' ${command}`], { env: {}, encoding: "utf8" })
    .trimEnd()
    .split("\n")

const only = <A>(some: ReadonlyArray<A>): A => {
  assert.lengthOf(some, 1)
  return some[0] as A
}

const written = (way: { readonly files: ReadonlyArray<{ path: string; text: string }> }) => {
  const { path, text } = only(way.files)
  return [path, JSON.parse(text)] as const
}

describe("a setup packet", () => {
  it("names the endpoint everywhere and the token nowhere", () => {
    for (const packet of [english, russian]) {
      assert.strictEqual(packet.mcp_endpoint, endpoint)
      assert.deepStrictEqual(packet.headers, { Authorization: "Bearer <AGENT_TOKEN>" })
      assert.notMatch(JSON.stringify(packet), /ndca[tor]_/)
      for (const client of Object.values(packet.clients)) {
        for (const way of [client.login, client.token]) {
          assert.isAbove(way.commands.length + way.files.length, 0)
          for (const text of [...way.commands, ...way.files.map((file) => file.text)])
            assert.include(text, endpoint)
        }
      }
    }
  })

  it("configures a Codex that says so when its token is missing", () => {
    for (const line of [
      "[mcp_servers.tasker]",
      `url = "${endpoint}"`,
      `bearer_token_env_var = "${variable}"`,
      "required = true",
      "tool_timeout_sec = 60"
    ]) {
      assert.include(english.codex_config_toml.split("\n"), line)
    }
    const { token } = english.clients.codex
    assert.deepStrictEqual(token.files, [{ path: "~/.codex/config.toml", text: english.codex_config_toml }])
    assert.deepStrictEqual(token.commands, [english.codex_add_command])
    assert.deepStrictEqual(words(english.codex_add_command), [
      ..."codex mcp add tasker --url".split(" "),
      endpoint,
      "--bearer-token-env-var",
      variable
    ])
    assert.strictEqual(token.token_variable, variable)
  })

  it("has Codex log in with one command, and asks for no token there", () => {
    const { login } = english.clients.codex
    assert.deepStrictEqual(login.commands, [`codex mcp add tasker --url ${endpoint}`])
    assert.isNull(login.token_variable)
    assert.notInclude(only(login.files).text, "bearer")
    assert.include(only(login.files).text, "required = true")
  })

  it("speaks to Claude Code, which expands the variable itself", () => {
    const { login, token } = english.clients.claude_code
    assert.deepStrictEqual(words(only(login.commands)), [
      ..."claude mcp add --transport http --scope user tasker".split(" "),
      endpoint
    ])
    assert.deepStrictEqual(written(login), [
      ".mcp.json",
      { mcpServers: { tasker: { type: "http", url: endpoint } } }
    ])
    assert.deepStrictEqual(words(only(token.commands)), [
      ..."claude mcp add --transport http --scope user tasker".split(" "),
      endpoint,
      "--header",
      `Authorization: Bearer \${${variable}}`
    ])
    assert.deepStrictEqual(written(token), [
      ".mcp.json",
      {
        mcpServers: {
          tasker: { type: "http", url: endpoint, headers: { Authorization: `Bearer \${${variable}}` } }
        }
      }
    ])
  })

  it("speaks to Cursor", () => {
    const { login, token } = english.clients.cursor
    assert.deepStrictEqual(written(login), [
      ".cursor/mcp.json",
      { mcpServers: { tasker: { url: endpoint } } }
    ])
    assert.deepStrictEqual(written(token), [
      ".cursor/mcp.json",
      { mcpServers: { tasker: { url: endpoint, headers: { Authorization: `Bearer \${env:${variable}}` } } } }
    ])
  })

  it("speaks to VS Code, which asks for the token and hides it", () => {
    const { login, token } = english.clients.vscode
    const server = { type: "http", url: endpoint }
    assert.deepStrictEqual(words(only(login.commands)), [
      "code",
      "--add-mcp",
      JSON.stringify({ name: "tasker", ...server })
    ])
    assert.deepStrictEqual(written(login), [".vscode/mcp.json", { servers: { tasker: server } }])
    const [path, config] = written(token)
    assert.strictEqual(path, ".vscode/mcp.json")
    const input = config.inputs[0]
    assert.deepStrictEqual([input.type, input.password], ["promptString", true])
    assert.deepStrictEqual(config.servers.tasker, {
      ...server,
      headers: { Authorization: `Bearer \${input:${input.id}}` }
    })
    assert.isNull(token.token_variable)
  })

  it("quotes an address that a shell would take apart", () => {
    const odd = setupPacket("https://agents.example.test/it's;$(id)&", listings, [])
    const address = `${"https://agents.example.test/it's;$(id)&"}/mcp`
    for (const { login, token } of Object.values(odd.clients)) {
      for (const command of [...login.commands, ...token.commands]) {
        assert.isTrue(words(command).some((word) => word.includes(address)))
      }
    }
  })

  it("gives the agent the same rules in both languages", () => {
    for (const { agents_md } of [english, russian]) {
      for (const rule of [
        "idempotency_key",
        "expected_version",
        "outcome_unknown",
        "allow_duplicate: true",
        "truncated: true"
      ]) {
        assert.include(agents_md, rule)
      }
      for (const [name] of agents_md.matchAll(/tasker_[a-z_]+/g)) {
        assert.include([...tools.map((tool) => tool.name), "tasker_"], name)
      }
    }
    const named = (text: string) => text.match(/`[^`]+`/g)
    assert.deepStrictEqual(named(russian.agents_md), named(english.agents_md))
    for (const rule of ["Nothing is deleted", "is data", "stop and ask", "Read before update"])
      assert.include(english.agents_md, rule)
    for (const rule of ["Ничего не удаляется", "это данные", "остановись и спроси", "Сначала прочти"])
      assert.include(russian.agents_md, rule)
  })

  it("says in its rules that a write without a key is refused, and what a key consists of", () => {
    assert.include(english.agents_md, `A write without one is refused; a key is ${keyWords}.`)
    assert.include(
      russian.agents_md,
      "Запись без ключа отклоняется; ключ — от 8 до 128 знаков из A-Z a-z 0-9 _ : . -."
    )
  })

  it("takes fewer than 600 tokens of a model's context for its rules", () => {
    assert.isBelow(countTokens(english.agents_md), 600)
    assert.isBelow(countTokens(russian.agents_md), 600)
  })

  it("says what a person does next in the language that was asked", () => {
    for (const [client, ways] of Object.entries(russian.clients)) {
      for (const [way, { next }] of Object.entries(ways)) assert.match(next, /[а-яё]{3}/i, `${client} ${way}`)
    }
    assert.notMatch(JSON.stringify(english), /[а-яё]/i)
  })

  it("lists the tools that it was given, with a sentence each", () => {
    assert.deepStrictEqual(
      english.tools.map(({ name }) => name),
      tools.map(({ name }) => name)
    )
    for (const { description } of english.tools) assert.match(description, /^[A-Z][^\n]{10,120}[^.]\.$/)
  })
})
