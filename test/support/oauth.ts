import { randomBytes, randomUUID } from "node:crypto"
import { Effect } from "effect"
import * as oauth from "oauth4webapi"
import { allScopes } from "../../src/domain/Scope.ts"
import { Browser, type Shown } from "./oauth-browser.ts"
import { newPairingCode } from "./pairing.ts"
import { type Agent, newAgent, Served, send } from "./served.ts"

/** A program that logs in, over the library that checks what a server says (tests only). */

const insecure = { [oauth.allowInsecureRequests]: true }

export const redirectUri = "http://127.0.0.1:51789/callback"

export const metadata = Effect.flatMap(Served, ({ url }) =>
  Effect.promise(async () => {
    const issuer = new URL(url)
    const response = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure })
    return oauth.processDiscoveryResponse(issuer, response)
  })
)

export interface Client {
  readonly server: oauth.AuthorizationServer
  readonly id: string
}

/** A client that registered itself. */
export const newClient = Effect.fnUntraced(function* (body: Readonly<Record<string, unknown>> = {}) {
  const server = yield* metadata
  const { json, status, text } = yield* send("/oauth/register", {
    body: {
      client_name: "Test Codex",
      redirect_uris: ["http://127.0.0.1/callback"],
      token_endpoint_auth_method: "none",
      application_type: "native",
      ...body
    }
  })
  if (status !== 201) return yield* Effect.die(new Error(`Registration answered ${status}: ${text}`))
  return { server, id: json.client_id } as Client
})

/** A request as it stands in the address, and what its client keeps for later. */
export interface Request {
  readonly url: string
  readonly verifier: string
  readonly state: string
}

/** An authorization request; a parameter that is undefined is left out. */
export const newRequest = Effect.fnUntraced(function* (
  client: Client,
  parameters: Readonly<Record<string, string | undefined>> = {}
) {
  const { url } = yield* Served
  const verifier = oauth.generateRandomCodeVerifier()
  const state = randomBytes(16).toString("base64url")
  const challenge = yield* Effect.promise(() => oauth.calculatePKCECodeChallenge(verifier))
  const all = {
    response_type: "code",
    client_id: client.id,
    redirect_uri: redirectUri,
    state,
    code_challenge: challenge,
    code_challenge_method: "S256",
    resource: `${url}/mcp`,
    ...parameters
  }
  const query = new URLSearchParams(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
  return { url: `${url}/oauth/authorize?${query}`, verifier, state } as Request
})

/** An agent that may do everything in a project that no Tasker knows. */
export const newOwned = (scopes: ReadonlyArray<string> = allScopes) =>
  newAgent([{ project_id: randomUUID(), workspace_slug: "nodedc", scopes }])

/** Goes through both pages as their owner does, up to where the browser is sent. */
export const consented = Effect.fnUntraced(function* (
  request: Request,
  code: string,
  filled: Readonly<Record<string, string | ReadonlyArray<string>>> = {},
  browser: Browser = new Browser()
) {
  const first = yield* browser.open(request.url)
  const second = yield* browser.press(first, "continue", { code })
  return yield* browser.press(second, "allow", filled)
})

export const locationOf = (shown: Shown): URL => new URL(shown.headers.location ?? "about:blank")

export interface LoggedIn {
  readonly client: Client
  readonly agent: Agent
  readonly pairingId: string
  readonly access: string
  readonly refresh: string
  readonly scope: string
}

/** A whole login, from the code to the tokens. */
export const logIn = Effect.fnUntraced(function* (
  options: {
    readonly agent?: Agent
    readonly parameters?: Readonly<Record<string, string | undefined>>
    readonly filled?: Readonly<Record<string, string | ReadonlyArray<string>>>
  } = {}
) {
  const client = yield* newClient()
  const agent = options.agent ?? (yield* newOwned())
  const { code, id } = yield* newPairingCode(agent.id)
  const request = yield* newRequest(client, options.parameters)
  const answer = yield* consented(request, code, options.filled)
  const tokens = yield* exchange(client, request, locationOf(answer))
  return {
    client,
    agent,
    pairingId: id,
    access: tokens.access_token,
    refresh: tokens.refresh_token ?? "",
    scope: tokens.scope ?? ""
  } as LoggedIn
})

/** The answer checked and exchanged, by the library: `iss`, `state`, the verifier and the answer's form. */
export const exchange = ({ id, server }: Client, { state, verifier }: Request, callback: URL) =>
  Effect.promise(async () => {
    const client = { client_id: id }
    const answer = oauth.validateAuthResponse(server, client, callback, state)
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      answer,
      redirectUri,
      verifier,
      insecure
    )
    return oauth.processAuthorizationCodeResponse(server, client, response)
  })

/** A form, posted as any program may post one. */
export const post = (path: string, fields: Readonly<Record<string, string>>, headers = {}) =>
  send(path, {
    method: "POST",
    body: new URLSearchParams(fields).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers }
  })

export const refreshed = (
  login: LoggedIn,
  refresh = login.refresh,
  more: Readonly<Record<string, string>> = {}
) =>
  post("/oauth/token", {
    grant_type: "refresh_token",
    refresh_token: refresh,
    client_id: login.client.id,
    ...more
  })

/** Whether a token opens the session, and if not, why. */
export const opens = (token: string) =>
  Effect.map(send("/api/v1/agent-session", { token }), ({ json, status }) =>
    status === 200 ? "good" : (json.code as string)
  )
