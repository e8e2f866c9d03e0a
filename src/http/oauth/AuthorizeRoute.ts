import { Cause, Effect } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Response from "effect/http/HttpServerResponse"
import { Settings } from "../../Config.ts"
import type { RequestRefused } from "../../domain/Failure.ts"
import { OAuthClients } from "../../services/OAuthClients.ts"
import { Addresses } from "../Addresses.ts"
import { readForm } from "../Body.ts"
import { CurrentClient } from "../ClientAddress.ts"
import { Hosts } from "../Hosts.ts"
import { problem } from "../Problem.ts"
import { failurePage } from "../pages/failurePage.ts"
import { languageOf, otherThan } from "../pages/language.ts"
import type { FailureKind, Page } from "../pages/models.ts"
import { requestId } from "../RequestId.ts"
import { Halted, makeProve, type SentBack } from "./asked.ts"
import { makeCodeStep } from "./codeStep.ts"
import { makeConsentStep } from "./consentStep.ts"
import { parametersOf } from "./parameters.ts"
import { type Answer, readStep, type Visit } from "./visit.ts"

/**
 * The authorization endpoint (RFC 6749 section 3.1): a page that asks for a pairing code, which shows whose agent
 * it is about, then one that asks what it may do. The request's parameters travel in the address of both forms and
 * are proven anew at each step.
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const hosts = yield* Hosts
    const { redirectHosts } = yield* Settings
    const { publicUrl } = yield* Addresses
    const prove = makeProve(yield* OAuthClients, redirectHosts, publicUrl)
    const code = yield* makeCodeStep(publicUrl)
    const consent = yield* makeConsentStep(publicUrl)

    const visited = Effect.fnUntraced(function* (
      request: HttpServerRequest,
      form: URLSearchParams | undefined
    ) {
      const parameters = parametersOf(queryOf(request))
      const from = yield* comingFrom(request, form)
      const { client, request: asked } = yield* prove(parameters, from.address)
      const others = [...(parameters ?? [])].filter(([name]) => name !== "lang")
      return {
        ...from,
        client,
        asked,
        // With the language, so that a page that says what went wrong with this form speaks it too.
        action: `?${new URLSearchParams([...others, ["lang", from.language]])}`
      } satisfies Visit
    })

    const show = (request: HttpServerRequest) =>
      Effect.flatMap(visited(request, undefined), (visit) => code.show(visit))

    const take = Effect.fnUntraced(function* (request: HttpServerRequest) {
      const form = yield* Effect.mapError(readForm, () => new Halted({ kind: "request_malformed" }))
      const visit = yield* visited(request, form)
      const step = readStep(form)
      if (step === undefined) return yield* new Halted({ kind: "request_malformed" })
      return step.consent === undefined
        ? yield* code.take(visit, step)
        : yield* consent.take(visit, step, step.consent)
    })

    const answered = (request: HttpServerRequest, step: ReturnType<typeof take> | ReturnType<typeof show>) =>
      step.pipe(
        Effect.map(respond),
        Effect.catchTags({
          Halted: (halted) => Effect.map(halt(request, halted), respond),
          SentBack: (back) => Effect.succeed(sendBack(back)),
          GatewayUnavailable: () =>
            Effect.map(halt(request, new Halted({ kind: "unavailable", retryAfterSeconds: 2 })), respond)
        }),
        Effect.catchCauseIf(Cause.hasDies, (cause) =>
          Effect.logError("A page of a login failed by a defect", cause).pipe(
            Effect.andThen(halt(request, new Halted({ kind: "internal" }))),
            Effect.map(respond)
          )
        )
      )

    const guarded =
      (step: (request: HttpServerRequest) => ReturnType<typeof take> | ReturnType<typeof show>) =>
      (request: HttpServerRequest) =>
        Effect.matchEffect(hosts.check(request), {
          // Another site's form is answered to a person; a wrong Host is nobody's browser on this site.
          onFailure: (failure: RequestRefused) =>
            failure.reason === "origin"
              ? Effect.map(halt(request, new Halted({ kind: "form_foreign" })), respond)
              : Effect.succeed(problem(failure, requestId(request))),
          onSuccess: () => answered(request, step(request))
        })

    yield* router.add("GET", "/oauth/authorize", guarded(show))
    // What is begun is finished also where the browser leaves.
    yield* router.add("POST", "/oauth/authorize", (request) => Effect.uninterruptible(guarded(take)(request)))
  })
)

const queryOf = ({ url }: HttpServerRequest): URLSearchParams => {
  const at = url.indexOf("?")
  return new URLSearchParams(at < 0 ? "" : url.slice(at + 1))
}

const comingFrom = (request: HttpServerRequest, form: URLSearchParams | undefined) =>
  Effect.map(CurrentClient, (address) => {
    const query = queryOf(request)
    const pressed =
      form?.get("action")?.startsWith("lang:") === true ? form.get("action")?.slice(5) : undefined
    return {
      http: request,
      address,
      requestId: requestId(request),
      language: languageOf({
        chosen: pressed ?? form?.get("lang") ?? query.get("lang") ?? undefined,
        uiLocales: query.get("ui_locales") ?? undefined,
        acceptLanguage: request.headers["accept-language"]
      })
    }
  })

/** Where the same login begins anew. Not where its own request is what is wrong. */
const lasting: ReadonlySet<FailureKind> = new Set(["client_unknown", "redirect_refused", "request_malformed"])

const halt = (request: HttpServerRequest, { kind, redirectUri, retryAfterSeconds }: Halted) =>
  Effect.map(comingFrom(request, undefined), ({ language, requestId: id }): Answer => {
    const query = queryOf(request)
    const inLanguage = (chosen: string) => {
      query.set("lang", chosen)
      return `?${query}`
    }
    const page = failurePage({
      language,
      requestId: id,
      kind,
      redirectUri,
      retryAfterSeconds,
      ...(lasting.has(kind) ? {} : { again: inLanguage(language) }),
      ...(request.method === "GET" ? { otherLanguage: inLanguage(otherThan(language)) } : {})
    })
    return { page }
  })

const respond = ({ cookie, page }: { readonly page: Page; readonly cookie?: string }) =>
  Response.text(page.html, {
    status: page.status,
    contentType: "text/html; charset=utf-8",
    headers: { ...page.headers, ...(cookie === undefined ? {} : { "set-cookie": cookie }) }
  })

/**
 * 303, so that a browser asks there by GET and leaves what it posted behind (RFC 9700 section 4.12), and without
 * a referrer, which would hold this request.
 */
const sendBack = ({ cookie, location }: SentBack) =>
  Response.empty({
    status: 303,
    headers: {
      location,
      "referrer-policy": "no-referrer",
      ...(cookie === undefined ? {} : { "set-cookie": cookie })
    }
  })
