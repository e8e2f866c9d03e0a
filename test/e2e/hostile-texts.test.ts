import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { root } from "../support/data-dirs.ts"
import { freshDatabase, secret } from "../support/gateway.ts"
import { hostileHtml, hostileMarkdown } from "../support/hostileTexts.ts"
import { launch } from "../support/programs.ts"
import { newAgent, Served } from "../support/served.ts"
import { freshTasker, owner } from "../support/tasker.ts"
import { call } from "../support/tool-calls.ts"

/** The longest that the event loop may stand still, and an agent's p99, in milliseconds. */
const most = { delay: 50, p99: 250 }

/** A machine on which nothing else runs delays an idle gateway less than this. */
const quiet = { delay: 15, p99: 50 }

/** Calls of the good agent in each part of the test, one after the other. */
const calls = 60

/** Texts that are near the limits and differ from each other. */
const texts = {
  html: [...hostileHtml(200_000, 10)].filter((_, at) => at % 9 === 0).map(({ text }) => text),
  markdown: [...hostileMarkdown(60_000, 10)].filter((_, at) => at % 9 === 0).map(({ text }) => text)
}

const percentile = (values: ReadonlyArray<number>, part: number): number =>
  values.toSorted((one, other) => one - other)[Math.ceil(values.length * part) - 1] ?? 0

describe("an agent that has hostile texts converted, as fast as its rate allows", () => {
  it.live("holds up neither the event loop nor another agent", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* freshDatabase
      const tasker = yield* freshTasker(databaseUrl, secret())
      const internalToken = secret()
      const program = yield* launch(
        [process.execPath, "--import", join(root, "test/support/loop-delay.ts"), join(root, "src/main.ts")],
        {
          env: {
            PORT: "0",
            LOG_LEVEL: "info",
            DATABASE_URL: databaseUrl,
            NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
            NODEDC_TASKER_INTERNAL_URL: tasker.url,
            NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
            DUPLICATE_WINDOW_MINUTES: "0"
          }
        }
      )
      const url = yield* program.until(/Listening on (http:\S+)/, 60)
      let reports = 0
      const longestDelay = Effect.gen(function* () {
        yield* program.signal("SIGUSR2")
        const said = yield* program.until(new RegExp(`delay ${++reports}: ([\\d. ]+) ms`), 60)
        const [delay = 0, cpu = 0] = said.split(" ").map(Number)
        return { delay, cpu }
      })

      yield* Effect.gen(function* () {
        const agentOn = Effect.gen(function* () {
          const { project } = yield* tasker.project()
          const agent = yield* newAgent([
            { project_id: project.id, workspace_slug: project.workspace_slug, scopes: allScopes }
          ])
          const made = yield* call("rest", agent.token, "tasker_create_issue", {
            project_id: project.id,
            name: "A card",
            idempotency_key: "the-card-of-all-calls"
          })
          return { ...agent, projectId: project.id, issueId: made.content.issue.id as string }
        })
        const [good, bad] = [yield* agentOn, yield* agentOn]
        for (const [at, comment_html] of texts.html.entries()) {
          if (at % 2 === 0) continue
          yield* tasker.send("POST", `/issues/${bad.issueId}/comments`, {
            author_id: owner.id,
            comment_html
          })
        }

        /** Reads a card and comments on it, as a good agent does. */
        const steady = Effect.gen(function* () {
          const taken: Array<number> = []
          const failed: Array<string> = []
          for (let at = 0; at < calls; at++) {
            const started = performance.now()
            const { code } =
              at % 4 === 3
                ? yield* call("mcp", good.token, "tasker_add_comment", {
                    project_id: good.projectId,
                    issue_id: good.issueId,
                    comment: `Done, number **${at}**`,
                    idempotency_key: crypto.randomUUID()
                  })
                : yield* call("mcp", good.token, "tasker_get_issue", {
                    project_id: good.projectId,
                    issue_id: good.issueId
                  })
            taken.push(performance.now() - started)
            if (code !== undefined) failed.push(code)
          }
          return { failed, p99: percentile(taken, 0.99) }
        })

        /** Makes the next call of a bad agent, and ignores how it ends. */
        let turn = 0
        const flood = Effect.gen(function* () {
          const at = turn++
          const issue = { project_id: bad.projectId, issue_id: bad.issueId }
          const markdown = texts.markdown[at % texts.markdown.length] ?? ""
          const html = texts.html[at % texts.html.length] ?? ""
          switch (at % 4) {
            case 0:
              yield* tasker.edit(bad.issueId, { description_html: html })
              return yield* call("mcp", bad.token, "tasker_get_issue", issue)
            case 1:
              return yield* call("mcp", bad.token, "tasker_list_comments", { ...issue, limit: 100 })
            case 2:
              return yield* call("rest", bad.token, "tasker_update_issue", {
                ...issue,
                description: markdown,
                dry_run: true,
                allow_content_loss: true,
                idempotency_key: crypto.randomUUID()
              })
            default:
              return yield* call("rest", bad.token, "tasker_add_comment", {
                ...issue,
                comment: markdown,
                idempotency_key: crypto.randomUUID()
              })
          }
        })

        // Everything is loaded and compiled before anything is measured.
        yield* steady
        yield* Effect.all([flood, flood, flood, flood], { concurrency: 4 })

        const control = Effect.gen(function* () {
          yield* longestDelay
          const { failed, p99 } = yield* steady
          return { failed, p99, ...(yield* longestDelay) }
        })
        const before = yield* control
        const flooding = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 8 }), () => Effect.forever(flood), { concurrency: 8 })
        )
        const under = yield* control
        yield* Fiber.interrupt(flooding)
        const after = yield* control

        process.stdout.write(`${JSON.stringify({ before, under, after, floods: turn })}\n`)
        assert.deepStrictEqual(under.failed, [])
        assert.isAbove(turn, 8)
        assert.isBelow(under.cpu, most.delay)
        // The time of a machine that others share says nothing of the gateway.
        const isQuiet = [before, after].every(({ delay, p99 }) => delay < quiet.delay && p99 < quiet.p99)
        if (!isQuiet) return
        assert.isBelow(under.delay, most.delay)
        assert.isBelow(under.p99, most.p99)
      }).pipe(Effect.provideService(Served, Served.of({ url, internalToken, databaseUrl })))
    }).pipe(Effect.scoped)
  )
})
