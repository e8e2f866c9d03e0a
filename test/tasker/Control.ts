import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Schema, Struct } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { answer } from "./Answer.ts"
import { toIssue } from "./Card.ts"
import { Fault, Faults } from "./Faults.ts"
import { Uuid } from "./Fields.ts"
import { Journal } from "./Journal.ts"
import { Once } from "./Once.ts"
import { contractStyle, decoder, notFound, Refusal } from "./Refusal.ts"
import { Edit, NewComment, NewLabel, NewMember, NewProject, Seeds } from "./Seeds.ts"
import { readBody, settled } from "./Server.ts"
import { type Reply, respond } from "./Strike.ts"
import { Switches } from "./Switches.ts"
import { Worker } from "./Worker.ts"

const decodeProject = decoder(NewProject)
const decodeMember = decoder(NewMember)
const decodeLabel = decoder(NewLabel)
const decodeComment = decoder(NewComment)
const decodeEdit = decoder(Edit)
const decodeFault = decoder(Fault)
const decodeSwitches = decoder(Schema.Struct(Struct.map(Switches.fields, Schema.optionalKey)))
const decodeSince = decoder(
  Schema.Struct({ since: Schema.optionalKey(Schema.FiniteFromString.check(Schema.isInt())) })
)
const decodeUuid = decoder(Uuid)

const everything = { external_ids_shown: true }

const loopback = new Set(["127.0.0.1", "::1", "::ffff:127.0.0.1"])

/**
 * `/control`: what a test does to Tasker and asks of it. It is no part of Tasker's API: it has no bearer,
 * answers loopback only, and nothing of it is in the log of requests.
 */
export const controlRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const seeds = yield* Seeds
    const faults = yield* Faults
    const journal = yield* Journal
    const once = yield* Once
    const worker = yield* Worker
    const server = yield* HttpServer.HttpServer
    const baseUrl = HttpServer.formatAddress(server.address)

    const body = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      Effect.map(readBody(request), ({ value }) => value)
    )
    const query = Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
      Object.fromEntries(new URL(request.url, "http://tasker").searchParams)
    )
    const issueId = Effect.flatMap(HttpRouter.params, ({ issue_id }) =>
      Effect.mapError(decodeUuid(issue_id), () => notFound("No such issue."))
    )
    /** A person's work is followed by the background job as an agent's is. */
    const bump = (id: string) =>
      Effect.flatMap(faults.switches, ({ bump_updated_at }) =>
        bump_updated_at ? worker.bump(id) : Effect.void
      )
    const ok = (value: unknown) => respond(answer(200, value))
    const created = (value: unknown) => respond(answer(201, value))

    const add = <E, R>(
      method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
      path: `/${string}`,
      handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
    ) =>
      router.add(
        method,
        `/control${path}`,
        Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
          const { remoteAddress } = NodeHttpServerRequest.toIncomingMessage(request).socket
          const guarded: Effect.Effect<Reply, E | Refusal, R> = loopback.has(remoteAddress ?? "")
            ? handler
            : Effect.fail(new Refusal({ status: 403, error: "loopback_only" }))
          const reply = yield* settled(guarded, contractStyle)
          return reply === "cut" ? HttpServerResponse.empty() : reply
        })
      )

    yield* add(
      "POST",
      "/projects",
      body.pipe(Effect.flatMap(decodeProject), Effect.flatMap(seeds.project), Effect.map(created))
    )
    yield* add(
      "POST",
      "/members",
      body.pipe(
        Effect.flatMap(decodeMember),
        Effect.flatMap(seeds.member),
        Effect.map((member) => ok({ member }))
      )
    )
    yield* add(
      "POST",
      "/labels",
      body.pipe(
        Effect.flatMap(decodeLabel),
        Effect.flatMap(seeds.label),
        Effect.map((label) => created({ label }))
      )
    )
    yield* add(
      "GET",
      "/issues/:issue_id",
      issueId.pipe(
        Effect.flatMap(seeds.card),
        Effect.map((card) => ok({ issue: toIssue(card, baseUrl, everything) }))
      )
    )
    yield* add(
      "PATCH",
      "/issues/:issue_id",
      Effect.gen(function* () {
        const card = yield* seeds.edit(yield* issueId, yield* Effect.flatMap(body, decodeEdit))
        yield* bump(card.id)
        return ok({ issue: toIssue(card, baseUrl, everything) })
      })
    )
    yield* add(
      "DELETE",
      "/issues/:issue_id",
      issueId.pipe(Effect.flatMap(seeds.remove), Effect.as(HttpServerResponse.empty()))
    )
    yield* add(
      "POST",
      "/issues/:issue_id/comments",
      Effect.gen(function* () {
        const comment = yield* seeds.comment(yield* issueId, yield* Effect.flatMap(body, decodeComment))
        yield* bump(comment.issue_id)
        return created({ comment })
      })
    )
    yield* add(
      "GET",
      "/writes",
      Effect.map(once.writes, (writes) => ok({ writes }))
    )
    yield* add(
      "GET",
      "/requests",
      query.pipe(
        Effect.flatMap(decodeSince),
        Effect.flatMap(({ since }) => Effect.all([journal.since(since ?? 0), worker.waiting])),
        Effect.map(([received, background]) => ok({ ...received, background }))
      )
    )
    yield* add(
      "POST",
      "/faults",
      body.pipe(
        Effect.flatMap(decodeFault),
        Effect.flatMap(faults.queue),
        Effect.map((fault) => created({ fault }))
      )
    )
    yield* add(
      "GET",
      "/faults",
      Effect.map(Effect.all({ faults: faults.queued, switches: faults.switches }), ok)
    )
    yield* add("DELETE", "/faults", Effect.as(faults.reset, HttpServerResponse.empty()))
    yield* add(
      "PUT",
      "/switches",
      body.pipe(
        Effect.flatMap(decodeSwitches),
        Effect.flatMap(faults.set),
        Effect.map((switches) => ok({ switches }))
      )
    )
  })
)
