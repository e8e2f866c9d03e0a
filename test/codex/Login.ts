import { Effect, Layer } from "effect"
import { Chromium } from "../support/chromium.ts"
import type { Variables } from "../support/served.ts"
import { freshCodex } from "./Codex.ts"
import { newcomer, pairing, place } from "./Place.ts"

/** What logging in takes in every scenario. */

/** A gateway that Codex logs in at, and the browser for it. */
export const loginPlace = (variables: Variables = {}) =>
  Layer.mergeAll(
    // The document in which Codex says who it is stands in the open net: here it registers itself.
    place({ OAUTH_CIMD_HOSTS: "none", ...variables }),
    Layer.suspend(() => Chromium.layer)
  )

/** What Codex asks its user to open. */
export const address = /(http:\/\/\S+\/oauth\/authorize\?\S+)\s/

/** A new Codex in which its user types the one command that the owner was shown. */
export const typed = Effect.gen(function* () {
  const { agent, project } = yield* newcomer
  const { connect, pairing_code: code } = yield* pairing(agent.id)
  const codex = yield* freshCodex
  const adding = yield* codex.start(["sh", "-c", `exec ${connect.codex[0]}`])
  return { agent, project, code, codex, adding }
})
