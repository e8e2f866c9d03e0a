import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { answer } from "../tasker/Answer.ts"
import { Text } from "../tasker/Fields.ts"
import { contractStyle, decoder } from "../tasker/Refusal.ts"
import { readBody, settled } from "../tasker/Server.ts"
import { type Reply, respond } from "../tasker/Strike.ts"
import { Denial } from "./Denial.ts"
import { Fault, Faults } from "./Faults.ts"
import { Journal } from "./Journal.ts"
import { Edit, People, Remark } from "./People.ts"
import { Rates } from "./Rates.ts"
import { NewLabel, NewMember, NewProject, Seeds } from "./Seeds.ts"
import { Behaviour, SettingsChange } from "./Settings.ts"
import { Writes } from "./Writes.ts"

const decodeProject = decoder(NewProject)
const decodeMember = decoder(NewMember)
const decodeLabel = decoder(NewLabel)
const decodeEdit = decoder(Edit)
const decodeRemark = decoder(Remark)
const decodeKey = decoder(Schema.Struct({ api_key: Text }))
const decodeFault = decoder(Fault)
const decodeSettings = decoder(SettingsChange)
const decodeSince = decoder(Schema.Struct({ since: Schema.optionalKey(Schema.FiniteFromString) }))

const loopback = new Set(["127.0.0.1", "::1", "::ffff:127.0.0.1"])

/** Serves `/control` to loopback: seeds, faults, settings and logs. No part of Plane's API. */
export const controlRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const behaviour = yield* Behaviour
    const faults = yield* Faults
    const journal = yield* Journal
    const people = yield* People
    const rates = yield* Rates
    const seeds = yield* Seeds
    const writes = yield* Writes

    const body = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      Effect.map(readBody(request), ({ value }) => value)
    )
    const query = Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
      Object.fromEntries(new URL(request.url, "http://plane").searchParams)
    )
    const issueId = Effect.map(HttpRouter.params, ({ issue_id = "" }) => issue_id)
    const ok = (value: unknown) => respond(answer(200, value))

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
          if (!loopback.has(remoteAddress ?? "")) return HttpServerResponse.empty({ status: 403 })
          const denialsToo: Effect.Effect<Reply, E, R> = Effect.catch(handler, (failure) =>
            failure instanceof Denial ? Effect.succeed(respond(failure)) : Effect.fail(failure)
          )
          const reply = yield* settled(denialsToo, contractStyle)
          return reply === "cut" ? HttpServerResponse.empty() : reply
        })
      )

    yield* add(
      "POST",
      "/projects",
      body.pipe(Effect.flatMap(decodeProject), Effect.flatMap(seeds.project), Effect.map(ok))
    )
    yield* add(
      "POST",
      "/members",
      body.pipe(
        Effect.flatMap(decodeMember),
        Effect.flatMap(seeds.member),
        Effect.map((id) => ok({ id }))
      )
    )
    yield* add(
      "POST",
      "/labels",
      body.pipe(
        Effect.flatMap(decodeLabel),
        Effect.flatMap(seeds.label),
        Effect.map((id) => ok({ id }))
      )
    )
    yield* add(
      "DELETE",
      "/keys",
      body.pipe(
        Effect.flatMap(decodeKey),
        Effect.flatMap(({ api_key }) => seeds.revoke(api_key)),
        Effect.as(ok({}))
      )
    )
    yield* add("GET", "/issues/:issue_id", issueId.pipe(Effect.flatMap(people.card), Effect.map(ok)))
    yield* add(
      "PATCH",
      "/issues/:issue_id",
      Effect.gen(function* () {
        return ok(yield* people.edit(yield* issueId, yield* Effect.flatMap(body, decodeEdit)))
      })
    )
    yield* add(
      "POST",
      "/issues/:issue_id/comments",
      Effect.gen(function* () {
        return ok({ id: yield* people.comment(yield* issueId, yield* Effect.flatMap(body, decodeRemark)) })
      })
    )
    yield* add(
      "POST",
      "/issues/:issue_id/twin",
      issueId.pipe(
        Effect.flatMap(people.twin),
        Effect.map((id) => ok({ id }))
      )
    )
    yield* add(
      "GET",
      "/writes",
      Effect.map(writes.all, (all) => ok({ writes: all }))
    )
    yield* add(
      "GET",
      "/requests",
      query.pipe(
        Effect.flatMap(decodeSince),
        Effect.flatMap(({ since }) => journal.since(since ?? 0)),
        Effect.map(ok)
      )
    )
    yield* add(
      "POST",
      "/faults",
      body.pipe(Effect.flatMap(decodeFault), Effect.flatMap(faults.queue), Effect.as(ok({})))
    )
    yield* add(
      "DELETE",
      "/faults",
      Effect.as(Effect.all([faults.clear, behaviour.reset, rates.forget]), HttpServerResponse.empty())
    )
    // Leaves what was counted against the rate limit.
    yield* add(
      "DELETE",
      "/faults/queue",
      Effect.as(Effect.all([faults.clear, behaviour.reset]), HttpServerResponse.empty())
    )
    yield* add("DELETE", "/rates", Effect.as(rates.forget, HttpServerResponse.empty()))
    yield* add("GET", "/switches", Effect.map(behaviour.settings, ok))
    yield* add(
      "PUT",
      "/switches",
      body.pipe(Effect.flatMap(decodeSettings), Effect.flatMap(behaviour.set), Effect.map(ok))
    )
  })
)
