import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Response from "effect/http/HttpServerResponse"
import { challengeParameters } from "./metadata.ts"

/**
 * Adds to a 401 how to get a token: clients that know how begin a login by themselves. Only where agents are
 * served; the lifecycle API takes no login.
 */
export const withChallenge =
  (publicUrl: string) =>
  (response: HttpServerResponse): HttpServerResponse => {
    const challenge = response.headers["www-authenticate"]
    return response.status === 401 && challenge !== undefined
      ? Response.setHeader(response, "www-authenticate", `${challenge}, ${challengeParameters(publicUrl)}`)
      : response
  }
