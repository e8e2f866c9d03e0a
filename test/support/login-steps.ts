import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import { challengeOf } from "../../src/domain/OAuthRequest.ts"
import { post } from "./oauth.ts"
import { Browser, formOf, type Shown } from "./oauth-browser.ts"
import { newPairingCode } from "./pairing.ts"
import { type Sent, Served, send, sendTo } from "./served.ts"

/** The steps of a login, each by itself and by hand, so that a test can take any of them wrongly. */

/** Parameters; an undefined one is left out. */
export type Changed = Readonly<Record<string, string | undefined>>

const given = (fields: Changed): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )

export const callback = "http://127.0.0.1:49152/callback"

export const register = (change: object = {}, sent: Sent = {}) =>
  send("/oauth/register", {
    ...sent,
    body: {
      client_name: "Test Codex",
      redirect_uris: [callback],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
      ...change
    }
  })

/** A registered client's id. */
export const client = (change: object = {}): Effect.Effect<string, never, Served> =>
  Effect.flatMap(register(change), (reply) =>
    reply.status === 201
      ? Effect.succeed(reply.json.client_id)
      : Effect.die(new Error(`Registration answered ${reply.status}: ${reply.text}`))
  )

/** A request for authorization, and what only the program that made it knows. */
export interface Asked {
  readonly clientId: string
  readonly parameters: Changed
  readonly verifier: string
}

export const request = (clientId: string, change: Changed = {}): Effect.Effect<Asked, never, Served> =>
  Effect.map(Served, ({ url }) => {
    const verifier = randomBytes(32).toString("base64url")
    return {
      clientId,
      verifier,
      parameters: {
        response_type: "code",
        client_id: clientId,
        redirect_uri: callback,
        state: randomBytes(16).toString("base64url"),
        code_challenge: Buffer.from(challengeOf(verifier)).toString("base64url"),
        code_challenge_method: "S256",
        resource: `${url}/mcp`,
        ...change
      }
    }
  })

export const authorizeUrl = ({ parameters }: Asked): Effect.Effect<string, never, Served> =>
  Effect.map(Served, ({ url }) => `${url}/oauth/authorize?${new URLSearchParams(given(parameters))}`)

export const open = (asked: Asked, by = new Browser()) =>
  Effect.flatMap(authorizeUrl(asked), (url) => by.open(url))

/** Opens the login and types the code: the consent page, where all is right. */
export const typeCode = (asked: Asked, code: string, by = new Browser()) =>
  Effect.flatMap(open(asked, by), (page) => by.press(page, "continue", { code }))

/**
 * Sends the form of a page as no browser would by itself: with other fields, other headers or to another address.
 * Whoever sends it has the cookies of `by`.
 */
export const forge = (
  by: Browser,
  page: Shown,
  change: { readonly fields?: Changed; readonly headers?: Changed; readonly query?: string }
): Effect.Effect<Shown> =>
  Effect.suspend(() => {
    const form = formOf(page)
    const target = new URL(form.action, page.url)
    if (change.query !== undefined) target.search = change.query
    const scopes = form.ticks.flatMap(({ ticked, value }) => (ticked ? [["scope", value] as const] : []))
    const fields = given({ ...form.hidden, action: "allow", ...change.fields })
    return Effect.map(
      sendTo(target.href, {
        method: "POST",
        body: new URLSearchParams(
          [...Object.entries(fields), ...scopes].map(([name, value]) => [name, value])
        ).toString(),
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          origin: target.origin,
          cookie: [...by.cookies].map(([name, value]) => `${name}=${value}`).join("; "),
          ...change.headers
        }
      }),
      (reply) => ({ ...reply, url: target.href })
    )
  })

/** The parameters with which the browser is sent to the program. */
export const answerOf = (shown: Shown): URLSearchParams =>
  new URL(shown.headers.location ?? "about:blank").searchParams

/** Goes through the pages as a person does: the authorization code that the program is given. */
export const authorized = (asked: Asked, agentId: string): Effect.Effect<string, never, Served> =>
  Effect.gen(function* () {
    const by = new Browser()
    const { code } = yield* newPairingCode(agentId)
    const left = yield* by.press(yield* typeCode(asked, code, by), "allow")
    return (
      answerOf(left).get("code") ?? (yield* Effect.die(new Error(`No code: ${left.status} ${left.text}`)))
    )
  })

/** Exchanges an authorization code. */
export const exchange = ({ parameters, verifier }: Asked, code: string, change: Changed = {}) =>
  post(
    "/oauth/token",
    given({
      grant_type: "authorization_code",
      code,
      client_id: parameters.client_id,
      redirect_uri: parameters.redirect_uri,
      code_verifier: verifier,
      resource: parameters.resource,
      ...change
    })
  )

export const refresh = (clientId: string, refreshToken: string, change: Changed = {}) =>
  post(
    "/oauth/token",
    given({ grant_type: "refresh_token", refresh_token: refreshToken, client_id: clientId, ...change })
  )

/** A whole login of an agent. */
export const login = (agentId: string, change: Changed = {}) =>
  Effect.gen(function* () {
    const asked = yield* request(yield* client(), change)
    const { json, status, text } = yield* exchange(asked, yield* authorized(asked, agentId))
    if (status !== 200) return yield* Effect.die(new Error(`The token endpoint answered ${status}: ${text}`))
    return {
      clientId: asked.clientId,
      accessToken: json.access_token as string,
      refreshToken: json.refresh_token as string
    }
  })
