import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { closedPort, json, reply, scripted } from "../support/scripted-tasker.ts"
import { naming, taskerCheck } from "../support/tasker-check.ts"

/** The check, before what is no Tasker, and with variables that name none. */

const bearer = "the-bearer-of-the-check"
const project = {
  id: "6c21ff8c-70dc-4d64-9185-b6180ec4a2c8",
  name: "Operations",
  identifier: "OPS",
  workspace_slug: "nodedc"
}
const at = (url: string) => naming({ url, accessToken: bearer }, { project })

describe("the check", () => {
  it.effect("a server that answers 404 with HTML to everything is wrong in every call that is tried", () =>
    Effect.gen(function* () {
      const html = reply(404, "<html>No \u001b[31msuch page</html>", { "content-type": "text/html" })
      const { url } = yield* scripted({ now: html })
      const { code, stderr, stdout } = yield* taskerCheck(at(url.href), "--write")
      assert.deepStrictEqual([code, stderr], [1, ""])
      for (const path of [
        "POST  /projects/resolve",
        "GET   /projects/:project_id/context",
        "GET   /issues"
      ]) {
        assert.match(stdout, new RegExp(`^ {2}wrong {10}${path}$`, "m"))
      }
      assert.match(stdout, /^ {6}wrong: by id: status 404 without an error document$/m)
      assert.match(stdout, /^ {6}< <html>No \[31msuch page<\/html>$/m)
      assert.match(stdout, /Promises: does not hold 1, not checked 21\./)
      assert.notInclude(stdout, "\u001b")
    })
  )

  it.effect("a bearer that a response repeats is not printed", () =>
    Effect.gen(function* () {
      const { url } = yield* scripted({ now: json(500, { error: `No: ${bearer}` }) })
      const { stdout } = yield* taskerCheck(at(url.href), "--verbose")
      assert.include(stdout, "No: (withheld)")
      assert.notInclude(stdout, bearer)
    })
  )

  it.effect("a Tasker that can't be reached is a fault of the configuration", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      assert.deepStrictEqual(yield* taskerCheck(at(`http://127.0.0.1:${port}`)), {
        code: 2,
        stdout: "",
        stderr: `Tasker at http://127.0.0.1:${port}/ can't be reached: the connection was refused. Check NODEDC_TASKER_INTERNAL_URL.\n`
      })
    })
  )

  it.effect("every variable that is missing or malformed is named at once", () =>
    Effect.gen(function* () {
      const faults = yield* taskerCheck({ SMOKE_PROJECT_ID: "OPS", SMOKE_OWNER_USER_ID: "olga" })
      assert.deepStrictEqual(faults, {
        code: 2,
        stdout: "",
        stderr: [
          "NODEDC_TASKER_INTERNAL_URL is not set",
          "NODEDC_INTERNAL_ACCESS_TOKEN is not set",
          "SMOKE_WORKSPACE_SLUG is not set",
          "SMOKE_PROJECT_ID: expected a UUID",
          "Set both SMOKE_OWNER_USER_ID and SMOKE_OWNER_EMAIL, or neither",
          ""
        ].join("\n")
      })
    })
  )

  it.effect("an unknown flag is refused with the way to the help", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* taskerCheck({}, "--wrte")
      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /--wrte[\s\S]*\nHelp: npm run tasker:check -- --help\n$/)
    })
  )
})
