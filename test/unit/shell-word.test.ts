import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { shellWord } from "../../src/http/shellWord.ts"

describe("a word of a shell's command", () => {
  it.each([
    "https://ops-agents.example/connect",
    "http://[::1]:4100/mcp",
    'https://a.example/it\'s;$(id)&`id`|*?~ "x"'
  ])("is read by a shell as it was: %s", (text) => {
    const read = execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" })
    assert.strictEqual(read, text)
  })

  it("stands without quotes where none are needed", () => {
    assert.strictEqual(shellWord("https://a.example:8443/mcp"), "https://a.example:8443/mcp")
  })
})
