import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { type OAuthRefused, oauthRefused } from "../../domain/OAuthFailure.ts"
import type { Parameters } from "../../domain/OAuthRequest.ts"
import { readForm } from "../Body.ts"

/**
 * Parameters as RFC 6749 section 3.1 has them: none twice (a proxy or a library may read the other one), and one
 * without a value counts as left out. Undefined where one is there twice.
 */
export const parametersOf = (given: URLSearchParams): Parameters | undefined => {
  const found = new Map<string, string>()
  for (const [name, value] of given) {
    if (found.has(name)) return undefined
    found.set(name, value)
  }
  return new Map([...found].filter(([, value]) => value !== ""))
}

/** The parameters of a request of a client's own, not of a browser's: what can't be read is `invalid_request`. */
export const readParameters: Effect.Effect<Parameters, OAuthRefused, HttpServerRequest> = readForm.pipe(
  Effect.mapError(({ message }) => oauthRefused("invalid_request", message)),
  Effect.flatMap((form) => {
    const parameters = parametersOf(form)
    return parameters === undefined
      ? Effect.fail(oauthRefused("invalid_request", "A parameter is there twice."))
      : Effect.succeed(parameters)
  })
)

/** A parameter that has to be there. */
export const required = (parameters: Parameters, name: string): Effect.Effect<string, OAuthRefused> => {
  const value = parameters.get(name)
  return value === undefined
    ? Effect.fail(oauthRefused("invalid_request", `${name} is missing.`))
    : Effect.succeed(value)
}
